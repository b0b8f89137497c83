"""`manage.py reconcile [--fix]`: holds Stripe's whole state against ours, and says what differs."""

import sys
import time
from argparse import ArgumentParser
from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import budget, clock, gateway, locks, reconcile
from billing.models import Finding, Reconciliation

SHOWN = 20  # of a kind; the rest is in the admin
EVERY = 2.0  # seconds between two lines of progress


class Command(BaseCommand):
    """Exit status 0: nothing is left, 1: something is."""

    help = (
        "Compares Stripe's whole state with ours and lists what differs and where money or service "
        "leaks. Changes nothing without --fix. Stopped, it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to repair."""
        parser.add_argument("--fix", action="store_true", help="repair what can be repaired")

    def handle(self, *_: Any, fix: bool, **__: Any) -> None:
        """Go through all stages, and tell."""
        with locks.only_one("billing.reconcile") as mine:
            if not mine:
                raise CommandError("Another one is running. Try again when it is done.")
            run = reconcile.begin(repairs=fix, now=clock.now())
            if run.compared or run.cursor:
                self.stdout.write(f"Going on at {run.stage}, {run.compared} compared so far.")
            self._go(run)
        if self._tell(run):
            sys.exit(1)

    def _go(self, run: Reconciliation) -> None:
        pace, told = reconcile.Pace(clock.now), 0.0
        more = True
        while more:
            stage = run.stage
            try:
                more = reconcile.step(run, pace)
            except gateway.StripeAway as error:
                raise CommandError(
                    f"Stripe does not answer: {error} Run it again later; it goes on at {stage}."
                ) from error
            except gateway.StripeRefused as error:
                raise CommandError(
                    f"Stripe refuses: {error} Check STRIPE_SECRET_KEY, and run it again."
                ) from error
            except budget.Spent:
                continue
            if run.stage != stage or time.monotonic() - told > EVERY:
                told = time.monotonic()
                self.stdout.write(f"{stage}: {run.compared} compared, {_left(run)} found.")

    def _tell(self, run: Reconciliation) -> int:
        """Print what was found, by kind; return how much of it is left."""
        kinds = defaultdict(list)
        for finding in run.findings.order_by("kind", "pk"):
            kinds[finding.kind].append(finding)
        for sort, title in (("drift", "Drift from Stripe"), ("leak", "Leaks")):
            mine = {name: rows for name, rows in kinds.items() if _kind(name).sort == sort}
            self.stdout.write(f"\n{title}: {'' if mine else 'none.'}")
            for name, rows in mine.items():
                self._tell_kind(name, rows)
        left = run.findings.filter(repaired_at=None).count()
        total = run.findings.count()
        self.stdout.write(
            f"\n{run.compared} compared, {total} found, {total - left} repaired, {left} left."
        )
        return left

    def _tell_kind(self, name: str, rows: list[Finding]) -> None:
        kind = _kind(name)
        left = sum(row.repaired_at is None for row in rows)
        state = f"{left} left" if left else "all repaired"
        self.stdout.write(f"  {name}: {kind.words} ({len(rows)}, {state})")
        for row in rows[:SHOWN]:
            mark = "repaired" if row.repaired_at else "left"
            self.stdout.write(f"    {mark:<9} {row.what:<32} {row.detail}")
        if len(rows) > SHOWN:
            self.stdout.write(f"    and {len(rows) - SHOWN} more; see Findings in the admin.")
        if left:
            self.stdout.write(f"    What to do: {kind.to_do}")


def _kind(name: str) -> reconcile.Kind:
    return reconcile.KINDS[name]


def _left(run: Reconciliation) -> int:
    return run.findings.count()
