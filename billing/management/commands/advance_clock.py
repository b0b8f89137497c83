"""`manage.py advance_clock 31d`: lets time pass for every process of an embedded system."""

import re
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import clock

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
LONGEST = timedelta(days=3660)  # There is no way back, so that a mistype should not get through.
FORWARD = "The clock moves forward only."
_AMOUNT = re.compile(r"(\d{1,9})([dhms])", re.ASCII)


class Command(BaseCommand):
    """What it has moved cannot be moved back; `make clean-data` begins anew."""

    help = "Moves the clock of an embedded system forward: 31d, 12h, 90m, 45s, or several of them."
    missing_args_message = f"Say by how much: 31d, 12h, 90m, 45s, or several of them. {FORWARD}"

    def run_from_argv(self, argv: list[str]) -> None:
        """Take `-1d` for an amount and not for an option, so that it is refused in our words."""
        if any(re.match(r"-\d", argument) for argument in argv[2:]):
            argv = [*argv[:2], "--", *argv[2:]]
        super().run_from_argv(argv)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take by how much."""
        parser.add_argument("amount", nargs="+", metavar="AMOUNT", help="31d, 12h, 90m or 45s")

    def handle(self, *_: Any, amount: list[str], **__: Any) -> None:
        """Move it, and say what time it is."""
        by = sum((parsed(text) for text in amount), timedelta())
        if by > LONGEST:
            raise CommandError(f"At most {LONGEST.days} days at a time, please.")
        try:
            ahead = clock.advance(int(by.total_seconds()))
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"It is {clock.now():%Y-%m-%d %H:%M:%S} UTC now, {timedelta(seconds=ahead)} ahead of "
            "this machine."
        )


def parsed(text: str) -> timedelta:
    """Return what `31d` or `1h30m` says. Raises CommandError."""
    parts = _AMOUNT.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise CommandError(
            f"{text!r} is no amount of time: write days, hours, minutes or seconds, as in 31d, "
            f"12h, 90m, 45s or 1d12h. {FORWARD}"
        )
    return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
