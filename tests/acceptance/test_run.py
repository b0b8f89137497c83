"""`make run` as a whole: it comes up, survives, joins a second shell, stops, and leaves nothing."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
from redis import Redis

from connectivity.local.claim import leftovers
from tests.running import ROOT, SUPERVISOR, Run, fresh_shell, soon, started

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]


def left_in(data_dir: Path) -> list[str]:
    """The processes that belong to this data directory, by their mark or their command line."""
    found = []
    marked = leftovers(data_dir)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if f"{data_dir}/" in line or int(entry.name) in marked:
                found.append(line)
    return found


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=3) as response:  # noqa: S310 - localhost
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What a fresh shell holds, and ports and a data directory of this test's own."""
    return fresh_shell(tmp_path)


def refused(environ: dict[str, str]) -> str:
    """What it says when it does not start."""
    done = subprocess.run(
        SUPERVISOR, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def test_it_comes_up_is_joined_heals_and_goes_on_after_kill_until_ctrl_c(
    environ: dict[str, str],
) -> None:
    with started(environ) as run:
        for variable, path in [
            *(("WEB_PORT", "/"), ("WEB_PORT", "/readyz"), ("EDGE_PORT", "/readyz")),
            *(("SANDBOX_PORT", "/mail.json"), ("SANDBOX_PORT", "/car/")),
        ]:
            assert answers(run.url(variable, path)), run.url(variable, path)
        for told in ("owner@demo.test", "staff@demo.test", "/mail/", "/car/", "Ctrl-C"):
            assert told in run.said()
        assert stat.S_IMODE((run.data_dir / "embedded.env").stat().st_mode) == 0o600

        assert "already in use by a running `make run`" in refused(environ)
        beside = environ | {"APP_DATA_DIR": str(run.data_dir.with_name("other"))}
        assert f"Port {environ['WEB_PORT']} (WEB_PORT)" in refused(beside)

        joining = {name: environ[name] for name in ("PATH", "APP_DATA_DIR")}
        question = "from fleet.models import Vehicle; print('cars', Vehicle.objects.count())"
        shell = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", question],
            cwd=ROOT,
            env=joining,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert shell.stdout == "cars 1\n", shell.stdout + shell.stderr

        os.kill(child(run, "uvicorn"), signal.SIGKILL)
        assert soon(lambda: "edge ended (killed by signal 9)" in run.said())
        assert soon(lambda: answers(run.url("EDGE_PORT", "/readyz")))

        before = kept_in(run)
        run.process.kill()
        run.process.wait()
        assert soon(lambda: not left_in(run.data_dir), 3.0), left_in(run.data_dir)

    with started(environ, "make", "run") as run:
        assert found_in(run) == before
        began = time.monotonic()
        # A Ctrl-C in a terminal goes to all of the foreground: to make and to the supervisor.
        os.killpg(run.process.pid, signal.SIGINT)
        run.process.wait(30)
        assert time.monotonic() - began < 10
        assert left_in(run.data_dir) == []
        assert "Stopped." in run.said()


def child(run: Run, word: str) -> int:
    """The process that the supervisor started, by a word of its command line."""
    for pid in leftovers(run.data_dir):
        status = Path(f"/proc/{pid}/status").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if word in command and f"PPid:\t{run.process.pid}\n" in status:
            return pid
    raise AssertionError(f"no child with {word} on its command line")


def kept_in(run: Run) -> dict[str, str]:
    """What it is joined by, after something was kept in both of its databases."""
    values = run.joined()
    with psycopg.connect(values["DATABASE_URL"]) as database:
        database.execute("CREATE TABLE kept (word text)")
        database.execute("INSERT INTO kept VALUES ('this')")
    with Redis.from_url(json.loads(values["SITES"])["local"]) as site:
        site.set("kept", "this")
    return values


def found_in(run: Run) -> dict[str, str]:
    """What it is joined by, if what was kept is still there."""
    values = run.joined()
    with psycopg.connect(values["DATABASE_URL"]) as database:
        assert database.execute("SELECT word FROM kept").fetchall() == [("this",)]
    with Redis.from_url(json.loads(values["SITES"])["local"]) as site:
        assert site.get("kept") == b"this"
    return values


def test_a_step_that_fails_stops_the_start_with_its_own_words(environ: dict[str, str]) -> None:
    nowhere = environ | {"DATABASE_URL": "postgres://nobody@localhost:1/nothing"}
    words = refused(nowhere)
    assert "The database could not be prepared" in words
    assert "port 1 failed: Connection refused" in words
    assert left_in(Path(environ["APP_DATA_DIR"])) == []


def test_a_signal_while_it_starts_stops_it_too(environ: dict[str, str]) -> None:
    data_dir = Path(environ["APP_DATA_DIR"])
    process = subprocess.Popen(SUPERVISOR, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    assert soon((data_dir / "log" / "prepare.log").exists)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "is running" not in output
    assert output.endswith("Stopped.\n")
    assert left_in(data_dir) == []
