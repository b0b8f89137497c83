"""The crew: who dies is told and started again, later each time; all stop in order."""

import os
import signal
import sys
import time
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path

import pytest

from connectivity.local import crew as module
from connectivity.local.crew import Crew
from connectivity.local.errors import CannotStart
from connectivity.local.process import Process, Program, last_lines, set_aside, wait_until

# Tells a shared file when it has begun and when it is asked to stop.
TELLING = """
import signal, sys, time
def tell(word):
    with open(sys.argv[2], "a") as file:
        file.write(f"{sys.argv[1]} {word}\\n")
def stop(*_):
    tell("stopped")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
tell("began")
time.sleep(60)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def crew(said: list[str]):
    crew = Crew(said.append)
    yield crew
    crew.stop(impatient=lambda: True)


def program(tmp_path: Path, name: str, code: str, *arguments: str) -> Program:
    return Program(
        name=name,
        argv=(sys.executable, "-c", code, *arguments),
        env=os.environ,
        cwd=tmp_path,
        log=tmp_path / f"{name}.log",
    )


def soon(check: Callable[[], bool]) -> bool:
    return wait_until(check, patience=20)


def test_higher_ranks_are_stopped_first(crew: Crew, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    for rank, name in enumerate(("database", "outside", "product")):
        telling = program(tmp_path, name, TELLING, name, str(diary))
        crew.add(partial(copy, telling), rank=rank)
    assert soon(lambda: diary.exists() and diary.read_text().count("began") == 3)
    crew.stop(impatient=lambda: False)
    stops = [line for line in diary.read_text().splitlines() if line.endswith("stopped")]
    assert stops == ["product stopped", "outside stopped", "database stopped"]


def test_who_dies_is_told_in_one_line_and_started_again_later_each_time(
    crew: Crew, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.05)
    runs = tmp_path / "runs"
    code = "import sys; open(sys.argv[1], 'a').write('x'); sys.exit(3)"
    crew.add(lambda: program(tmp_path, "web", code, str(runs)), rank=0)

    def fourth_run() -> bool:
        crew.tend()
        return runs.exists() and len(runs.read_text()) == 4

    assert soon(fourth_run)
    assert said[:3] == [
        f"web ended (exit code 3), see {tmp_path}/web.log; it is started again in {delay} s"
        for delay in ("0.05", "0.1", "0.2")
    ]


def test_who_has_lived_long_begins_again_at_the_first_delay(
    crew: Crew, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(module, "STEADY", 0.0)
    crew.add(lambda: program(tmp_path, "web", "pass"), rank=0)

    def died_three_times() -> bool:
        crew.tend()
        return len(said) == 3

    assert soon(died_three_times)
    assert {line.rsplit(" in ", 1)[1] for line in said} == {"0.05 s"}


def test_one_that_cannot_be_started_again_is_told_and_tried_again(
    crew: Crew, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.02)
    made = []

    def make() -> Program:
        made.append(1)
        if len(made) == 2:
            raise CannotStart("the disk is full")
        return program(tmp_path, "postgres", "import time; time.sleep(len(sys.argv) and 60)")

    crew.add(make, rank=0)

    def third_try() -> bool:
        crew.tend()
        return len(made) == 3

    assert soon(third_try)
    assert "postgres cannot be started: the disk is full" in said


def test_a_death_while_starting_is_an_error_with_its_last_words(crew: Crew, tmp_path: Path) -> None:
    process = crew.add(
        lambda: program(tmp_path, "web", "raise SystemExit('no such setting')"), rank=0
    )
    assert soon(lambda: process.exit_code is not None)
    with pytest.raises(CannotStart, match=r"web ended \(exit code 1\).*\nno such setting"):
        crew.require_all()


def test_who_will_not_stop_is_killed_with_all_it_started(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    stubborn = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    open(sys.argv[1], "w").write(f"{child}\\n")
time.sleep(60)
"""
    note = tmp_path / "child"
    process = crew.add(lambda: program(tmp_path, "web", stubborn, str(note)), rank=0)
    assert soon(lambda: note.exists() and note.read_text().endswith("\n"))
    crew.stop(impatient=lambda: False)
    assert process.exit_code == -signal.SIGKILL
    assert soon(lambda: not alive(int(note.read_text())))


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_impatience_kills_at_once(crew: Crew, tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    crew.add(lambda: program(tmp_path, "web", code), rank=0)
    began = time.monotonic()
    crew.stop(impatient=lambda: True)
    assert time.monotonic() - began < 3


def test_a_child_ends_with_its_parent_whichever_way_that_goes(tmp_path: Path) -> None:
    parent = """
import os, sys, time
from pathlib import Path
from connectivity.local.process import Process, Program
here = Path(sys.argv[1])
Process(Program(name="child", argv=(sys.executable, "-c", "import time; time.sleep(60)"),
                env=os.environ, cwd=here, log=here / "log"))
time.sleep(60)
"""
    root = Path(__file__).resolve().parents[3]
    started = Process(
        Program(
            name="parent",
            argv=(sys.executable, "-c", parent, str(tmp_path)),
            env={**os.environ, "PYTHONPATH": str(root)},
            cwd=tmp_path,
            log=tmp_path / "parent.log",
        )
    )
    try:
        assert soon(lambda: len(children_in(tmp_path)) == 2), last_lines(tmp_path / "parent.log")
        parent_pid = started._popen.pid
        (child,) = set(children_in(tmp_path)) - {parent_pid}
        os.kill(parent_pid, signal.SIGKILL)
        assert soon(lambda: not alive(child))
    finally:
        started.kill()


def children_in(directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == directory and alive(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_long_log_is_set_aside_and_its_end_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "web.log"
    assert last_lines(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert last_lines(log, 2) == "line 998\nline 999"
    set_aside(log)
    assert log.exists()
    monkeypatch.setattr("connectivity.local.process.LOG_LIMIT", 100)
    set_aside(log)
    assert not log.exists()
    assert (tmp_path / "web.log.1").exists()
