"""`manage.py import_vehicles FILE.csv`: imports cars, shows how far it is, lists bad lines."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError

from billing import clock
from fleet.imports import BadLine, Outcome, WrongFile, import_vehicles

EVERY = 5.0  # seconds between two lines of progress where there is no terminal
SHOWN = 10  # line numbers that a remark names


class Command(BaseCommand):
    """Exit status: 0, all lines are in; 1, some were bad; 2, the file could not be read."""

    help = (
        "Import cars from a CSV file with the columns vin,model,hardware,market,delivered_on,"
        "public_key,connectivity. Lines that say what is known change nothing. Exit status 1: some "
        "lines were bad and are listed; 2: the file could not be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument("file", type=Path, metavar="FILE.csv")

    def handle(self, *_: Any, file: Path, **__: Any) -> None:
        """Import, show, list."""
        began = time.monotonic()
        try:
            with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
                progress = Progress(self.stdout, lines, file.stat().st_size, began)
                outcome = import_vehicles(lines, now=clock.now(), progress=progress)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.", returncode=2) from error
        except WrongFile as error:
            raise CommandError(f"{file}: {error}", returncode=2) from error
        progress.clear()
        self._conclude(outcome, time.monotonic() - began)

    def _conclude(self, outcome: Outcome, seconds: float) -> None:
        self._remark(outcome.doubtful, "the check digit does not fit, and need not")
        self._remark(
            outcome.modemless, "Premium for a car without a modem, which stays with Standard"
        )
        for bad in outcome.bad:
            self._list(bad)
        self.stdout.write(
            f"Lines: {outcome.lines:,}. Cars added: {outcome.added:,}, changed: "
            f"{outcome.changed:,}, as they were: {outcome.unchanged:,}. Bad lines: "
            f"{len(outcome.bad):,}. It took {seconds:.1f} s, "
            f"{outcome.lines / max(seconds, 0.001):,.0f} lines a second."
        )
        if outcome.bad:
            raise CommandError(
                f"Bad lines: {len(outcome.bad):,}; they are listed above and were left out. The "
                "others are in. Mend them and run this again: what is in stays as it is."
            )

    def _remark(self, numbers: list[int], what: str) -> None:
        if numbers:
            first = ", ".join(map(str, numbers[:SHOWN])) + ", …" * (len(numbers) > SHOWN)
            self.stdout.write(f"Look again: {what}. Lines: {len(numbers):,} ({first}).")

    def _list(self, bad: BadLine) -> None:
        text = f"Line {bad.number}: {bad.reason}"
        self.stdout.write(text)
        # A terminal shows both streams; a file that collects the errors gets the list as well.
        if not self.stderr.isatty():
            self.stderr.write(text)


class Progress:
    """One moving line on a terminal; elsewhere a line every few seconds."""

    def __init__(self, out: Any, file: TextIO, size: int, began: float) -> None:
        """Take where to write, the file being read and its size in bytes."""
        self.out, self.file, self.size = out, file, size
        self.began = self.shown = began
        self.moving = out.isatty()

    def __call__(self, outcome: Outcome) -> None:
        """Show how far it is, if it is time to."""
        now = time.monotonic()
        if not self.moving and now - self.shown < EVERY:
            return
        self.shown = now
        share = self.file.buffer.tell() / max(self.size, 1)
        text = (
            f"{share:4.0%}  {outcome.lines:,} lines, {len(outcome.bad):,} bad, "
            f"{outcome.lines / max(now - self.began, 0.001):,.0f} a second"
        )
        self.out.write(
            f"\r{text}\x1b[K" if self.moving else text, ending="" if self.moving else "\n"
        )
        self.out.flush()

    def clear(self) -> None:
        """Leave the terminal's line free for what comes next."""
        if self.moving:
            self.out.write("\r\x1b[K", ending="")
