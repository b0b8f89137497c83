"""Says whether a process lives and whether it can serve; never asks Stripe or Celery.

Both processes, web and edge, answer these; a balancer sends traffic to those that are ready.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from billing import clock
from connectivity.stalls import stalls
from fleet import sites, snapshots

log = logging.getLogger(__name__)
PATIENCE = 1.5  # Seconds per check; a balancer asks again soon.
_migrated = False


@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 if the process can serve, 503 with what is not ready and why.

    What stands still (see connectivity.stalls) makes it `degraded` and not unready: Stripe being
    slow is no reason to take the site from people and cars. The checks run side by side in threads
    that are left behind if they hang, so that a server which accepts connections and says nothing
    delays the answer by PATIENCE and no more.
    """
    threads = ThreadPoolExecutor(max_workers=len(CHECKS) + 2, thread_name_prefix="readyz")
    running = {name: threads.submit(check) for name, check in CHECKS.items()}
    standing_still, at_sites = threads.submit(_stalled), threads.submit(_sites)
    failing = {name: text for name, future in running.items() if (text := _fault(name, future))}
    stalled = [] if failing else _result(standing_still)
    lags = [] if failing else _result(at_sites)
    threads.shutdown(wait=False, cancel_futures=True)
    status = "failing" if failing else "degraded" if stalled else "ready"
    return JsonResponse(
        {
            "ready": not failing,
            "status": status,
            "failing": failing,
            "stalled": stalled,
            "sites": lags,
        },
        status=HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK,
    )


def _fault(name: str, future: Future[str]) -> str:
    try:
        return future.result(PATIENCE)
    except Exception as error:  # noqa: BLE001 -- whatever it is, this process is not ready
        log.warning("%s is not ready: %s", name, error)
        return type(error).__name__


def _result(future: Future[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return future.result(PATIENCE)
    except Exception as error:  # noqa: BLE001 -- it is not what readiness depends on
        log.warning("What stands still, or how sites stand, could not be read: %s", error)
        return []


def _stalled() -> list[dict[str, Any]]:
    try:
        return [asdict(stall) for stall in stalls(clock.now())]
    finally:
        connection.close()


def _sites() -> list[dict[str, Any]]:
    try:
        now = clock.now()
        return [{**asdict(each), "lag_seconds": each.lag(now)} for each in sites.standings()]
    finally:
        connection.close()


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()
    return ""


def _migrations() -> str:
    """The code of a process does not change: what was applied once needs no second look."""
    global _migrated
    if _migrated:
        return ""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connection.close()
    _migrated = not plan
    return f"{len(plan)} not applied" if plan else ""


def _redis() -> str:
    snapshots.ping()
    return ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
}
