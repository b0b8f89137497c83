"""`manage.py advance_clock`: forward, for all processes, in embedded mode, and never else."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing import clock
from billing.management.commands.advance_clock import Command


@pytest.fixture
def clock_file(tmp_path: Path, settings) -> Path:
    """The file that all processes of an embedded system read."""
    settings.CLOCK_FILE = str(tmp_path / "clock")
    return tmp_path / "clock"


def advance(*amount: str) -> str:
    said = StringIO()
    call_command("advance_clock", *amount, stdout=said)
    return said.getvalue()


@pytest.mark.parametrize(
    ("amount", "moved"),
    [
        (["31d"], timedelta(days=31)),
        (["12h"], timedelta(hours=12)),
        (["90m"], timedelta(minutes=90)),
        (["45s"], timedelta(seconds=45)),
        (["1d", "12h"], timedelta(days=1, hours=12)),
        (["1d12h30m"], timedelta(days=1, hours=12, minutes=30)),
        (["0s"], timedelta()),
    ],
)
def test_it_moves_the_clock_of_all_processes_by_what_is_said(
    clock_file: Path, amount: list[str], moved: timedelta
) -> None:
    assert str(moved) in advance(*amount)
    assert int(clock_file.read_text()) == clock.offset() == moved.total_seconds()


def test_amounts_add_up_over_calls_and_the_time_is_told(clock_file: Path) -> None:
    advance("31d")
    told = datetime.fromisoformat(advance("1h").removeprefix("It is ")[:19]).replace(tzinfo=UTC)
    assert timedelta() <= clock.now() - told < timedelta(minutes=1)
    assert clock.offset() == timedelta(days=31, hours=1).total_seconds()


@pytest.mark.parametrize(
    "amount", ["-1d", "1", "d", "", "1w", "1.5h", "1d -2h", "31 d", "٣d", "1d2", "tomorrow"]
)
def test_what_is_no_amount_or_goes_back_is_refused_and_moves_nothing(
    clock_file: Path, amount: str
) -> None:
    with pytest.raises(CommandError, match=r"as in 31d.*forward only"):
        call_command("advance_clock", "--", amount)
    assert not clock_file.exists()


@pytest.mark.parametrize(("arguments", "words"), [(["-1d"], "forward only"), ([], "by how much")])
def test_the_command_line_says_so_too(
    clock_file: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        Command().run_from_argv(["manage.py", "advance_clock", *arguments])
    assert words in capsys.readouterr().err
    assert not clock_file.exists()


def test_more_than_a_decade_at_once_is_a_mistype(clock_file: Path) -> None:
    with pytest.raises(CommandError, match="At most 3660 days"):
        advance("99999d")
    assert not clock_file.exists()


def test_outside_embedded_mode_the_clock_stands_as_it_is(settings) -> None:
    settings.CLOCK_FILE = ""
    with pytest.raises(CommandError, match="embedded mode only"):
        advance("31d")
