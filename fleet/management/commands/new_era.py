"""`manage.py new_era`: makes versions safe after PostgreSQL went back to an older state."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseFault

from billing import clock
from fleet import eras, rebuild, rotation

EVERY = 5.0  # seconds between two lines of progress
INTERRUPTED = 130  # the exit status of whatever Ctrl-C has stopped
GO_ON = "Run it again, without --again: it goes on where it was."


class Command(BaseCommand):
    """Exit status: 0, all is raised and every site has it; 1, something is left; 130, stopped."""

    help = (
        "After a restore or a lossy promotion of PostgreSQL, before web, worker and edge open: "
        "adds 2^32 to every version and to the revisions of the catalogue, the pace and the lease "
        "keys, and tells every site of all cars. If it is stopped, the same command goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether there was another restore."""
        parser.add_argument(
            "--again",
            action="store_true",
            help="PostgreSQL was restored once more since the last new era",
        )

    def handle(self, *_: Any, again: bool, **__: Any) -> None:
        """Raise, then rebuild."""
        try:
            raised = self._raise(again=again)
        except eras.Begun as begun:
            raise CommandError(
                f"There was a new era already: {begun.era.began_at:%Y-%m-%d %H:%M} UTC. If "
                "PostgreSQL was restored since then, or to a backup made since then, say --again. "
                "If only the sites were left behind: manage.py rebuild_snapshots --restart."
            ) from None
        except (eras.Busy, rotation.Busy) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {GO_ON}", returncode=INTERRUPTED) from None
        except DatabaseFault as error:
            reason = str(error).strip().splitlines() or ["no reason given"]
            raise CommandError(f"PostgreSQL does not answer ({reason[0]}). {GO_ON}") from error
        self.stdout.write(f"{raised:,} versions are raised. Now every site is told.")
        try:
            call_command("rebuild_snapshots", "--restart", stdout=self.stdout)
        except CommandError as error:
            raise CommandError(
                f"{error}\nThe versions are raised, so do not run this again. What is left: "
                "manage.py rebuild_snapshots --restart.",
                returncode=error.returncode,
            ) from None

    def _raise(self, *, again: bool) -> int:
        total = rebuild.estimate()

        shown = 0.0

        def show(raised: int) -> None:
            nonlocal shown
            if time.monotonic() - shown >= EVERY:
                shown = time.monotonic()
                self.stdout.write(f"{raised:,} of about {total:,} versions are raised.")

        return eras.begin(again=again, show=show, now=clock.now())
