"""`manage.py rebuild_snapshots`: tells sites of all cars anew, shows how far it is, can go on."""

import time
from argparse import ArgumentParser
from datetime import timedelta
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import Error as DatabaseFault

from fleet import rebuild
from fleet.rebuild import Busy, Point, Refused
from fleet.snapshots import SiteAway

EVERY = 5.0  # seconds between two lines of progress where there is no terminal
INTERRUPTED = 130  # the exit status of whatever Ctrl-C has stopped


class Command(BaseCommand):
    """Exit status: 0, the sites have all; 1, it could not go on; 130, it was stopped."""

    help = (
        "Write the snapshots of all cars from PostgreSQL to the Redis of each site, while it "
        "serves. Nothing is removed and nothing newer is overwritten. If it is stopped, the same "
        "command goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the site."""
        parser.add_argument("--site", metavar="NAME", help="this one only; without it all of SITES")
        parser.add_argument(
            "--restart", action="store_true", help="begin anew, wherever the last one stopped"
        )

    def handle(self, *_: Any, site: str | None, restart: bool, verbosity: int, **__: Any) -> None:
        """Rebuild one site after the other; one that is away does not keep the others waiting."""
        if site is not None and site not in settings.SITES:
            known = ", ".join(settings.SITES)
            raise CommandError(f"There is no site {site!r} in SITES. These are there: {known}.")
        failed = []
        for each in [site] if site else settings.SITES:
            try:
                self._rebuild(each, restart=restart, quiet=verbosity == 0)
            except CommandError as error:
                if error.returncode == INTERRUPTED:
                    raise
                failed.append(str(error))
        if failed:
            raise CommandError("\n".join(failed))

    def _rebuild(self, site: str, *, restart: bool, quiet: bool) -> None:
        progress = Progress(OutputWrapper(StringIO()) if quiet else self.stdout, site)
        try:
            progress.total = rebuild.estimate()
            told = rebuild.rebuild(site, restart=restart, show=progress)
        except KeyboardInterrupt:
            raise CommandError(
                f"{site}: stopped. {progress.how_to_go_on()}", returncode=INTERRUPTED
            ) from None
        except Busy:
            raise CommandError(f"{site}: somebody else rebuilds it just now. Let it end.") from None
        except SiteAway:
            raise CommandError(
                f"{site}: its Redis does not answer; see SITES. {progress.how_to_go_on()}"
            ) from None
        except Refused as error:
            raise CommandError(
                f"{site}: its Redis refuses: {error}. {progress.how_to_go_on()}"
            ) from None
        except DatabaseFault as error:
            reason = str(error).strip().splitlines() or ["no reason given"]
            raise CommandError(
                f"{site}: PostgreSQL does not answer ({reason[0]}). {progress.how_to_go_on()}"
            ) from error
        finally:
            progress.clear()
        progress.conclude(told)


class Progress:
    """One moving line on a terminal; elsewhere a line every few seconds."""

    def __init__(self, out: Any, site: str) -> None:
        """Take where to write, and of whom."""
        self.out, self.site, self.total = out, site, 0
        self.began = self.shown = time.monotonic()
        self.first: Point | None = None
        self.point = Point()
        self.moving = out.isatty()

    def __call__(self, point: Point) -> None:
        """Show how far it is, if it is time to."""
        if self.first is None or point.done < self.point.done:
            self._begin(point)
        self.point = point
        now = time.monotonic()
        if self.moving or now - self.shown >= EVERY:
            self.shown = now
            text = self._text(now)
            self.out.write(
                f"\r{text}\x1b[K" if self.moving else text, ending="" if self.moving else "\n"
            )
            self.out.flush()

    def clear(self) -> None:
        """Leave the terminal's line free for what comes next."""
        if self.moving:
            self.out.write("\r\x1b[K", ending="")

    def conclude(self, told: int) -> None:
        """Say what was done."""
        seconds = time.monotonic() - self.began
        before = self.point.done - told
        self.out.write(
            f"{self.site}: has all {self.point.done:,} cars"
            + (f", {before:,} of them from before" if before else "")
            + f". It took {seconds:.1f} s, {told / max(seconds, 0.001):,.0f} cars a second."
        )

    def how_to_go_on(self) -> str:
        """What to do once it was stopped."""
        if not self.point.done:
            return "Nothing was written this time; run it again."
        return (
            f"{self.point.done:,} of about {self.total:,} cars are written. To go on there: "
            f"manage.py rebuild_snapshots --site {self.site}; to begin anew, add --restart."
        )

    def _begin(self, point: Point) -> None:
        if self.first is not None:
            self.clear()
            self.out.write(f"{self.site}: was emptied meanwhile. It begins anew.")
        elif point.done:
            self.out.write(f"{self.site}: goes on behind {point.done:,} cars.")
        self.first, self.began = point, time.monotonic()

    def _text(self, now: float) -> str:
        told = self.point.done - (self.first.done if self.first else 0)
        speed = told / max(now - self.began, 0.001)
        left = max(self.total - self.point.done, 0)
        time_left = str(timedelta(seconds=round(left / speed))) if speed else "?"
        return (
            f"{self.site}: {min(self.point.done / max(self.total, 1), 1):4.0%}  "
            f"{self.point.done:,} of about {self.total:,} cars, {speed:,.0f} a second, "
            f"{time_left} left"
        )
