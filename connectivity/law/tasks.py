"""Celery's way into declarations; the rows are the queue."""

import structlog
from celery import shared_task

from billing import clock, locks
from connectivity.law import declarations

log = structlog.get_logger()


@shared_task
def carry_out(declaration_id: int) -> None:
    """Do what is due of one declaration."""
    declarations.carry_out(declaration_id, now=clock.now())


@shared_task
def sweep() -> None:
    """Do what is due of all; one that fails stops no other."""
    with locks.only_one("law.sweep") as mine:
        if not mine:
            return
        for declaration_id in declarations.due(clock.now()):
            try:
                declarations.carry_out(declaration_id, now=clock.now())
            except Exception:
                log.exception("declaration_not_carried_out", declaration=declaration_id)
        declarations.forget_old(now=clock.now())
