"""Every process of `make run`, started for a test or for all of a session's tests."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[1]
SUPERVISOR = (sys.executable, "-m", "connectivity.local")
RELEASE_ALL = """
from billing import clock
from fleet import garage, tasks
from fleet.models import Ownership, Vehicle
for held in Ownership.objects.filter(ends_at=None):
    garage.release(owner=held.owner, vehicle_id=held.vehicle_id, now=clock.now())
Vehicle.objects.update(market={market!r})
tasks.sweep()  # The car is told at once.
"""


@dataclass
class Run:
    """A `make run` with ports and a data directory of its own."""

    environ: dict[str, str]
    process: subprocess.Popen[bytes]
    output: Path
    _clerk: "subprocess.Popen[str] | None" = None

    @property
    def data_dir(self) -> Path:
        """Where its data lie."""
        return Path(self.environ["APP_DATA_DIR"])

    @property
    def web(self) -> str:
        """The site."""
        return self.url("WEB_PORT", "")

    @property
    def sandbox(self) -> str:
        """The world outside."""
        return self.url("SANDBOX_PORT", "")

    def url(self, variable: str, path: str) -> str:
        """An address of the process whose port this variable names."""
        return f"http://localhost:{self.environ[variable]}{path}"

    def said(self) -> str:
        """What it has printed."""
        return self.output.read_text()

    def joined(self) -> dict[str, str]:
        """The environment that it leaves for a command in another shell."""
        values = dotenv_values(self.data_dir / "embedded.env")
        return {name: value or "" for name, value in values.items()}

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py in another shell, which joins this system and stays."""
        if self._clerk is None:
            command = (sys.executable, "-m", "tests.clerk")
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._clerk = subprocess.Popen(command, cwd=ROOT, env=self.environ, **pipes)  # type: ignore[call-overload]
        assert self._clerk.stdin
        assert self._clerk.stdout
        print(json.dumps(arguments), file=self._clerk.stdin, flush=True)
        return subprocess.CompletedProcess(arguments, *json.loads(self._clerk.stdout.readline()))

    def close(self) -> None:
        """Let the other shell go."""
        if self._clerk is not None:
            self._clerk.kill()
            self._clerk.communicate()

    def json(self, url: str) -> Any:
        """What an address answers, as JSON."""
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 -- localhost
            return json.load(response)

    def car(self) -> Any:
        """What the sandbox car's screen shows."""
        return self.json(f"{self.sandbox}/car/state.json")

    def press(self, button: str) -> None:
        """Press a button on the sandbox car's screen."""
        url = f"{self.sandbox}/car/{button}"
        urllib.request.urlopen(url, data=b"", timeout=10).close()  # noqa: S310 -- localhost

    def free_the_car(self, market: str = "US") -> None:
        """Take the one sandbox car from whoever had it; from now on it is made for this market."""
        done = self.manage("shell", "--no-imports", "-c", RELEASE_ALL.format(market=market))
        assert done.returncode == 0, done.stderr
        self.press("release-reports")
        self.press("pairing-hide")
        assert soon(lambda: self.car()["plan"] == "standard", 20)

    def mail_to(self, address: str) -> list[dict[str, Any]]:
        """The mails that an address has, the newest first."""
        mails = self.json(f"{self.sandbox}/mail.json")
        return [mail for mail in mails if address in mail["to"]]


def soon(check: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what `check` returns once it is true, or what it returned last."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return found


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fresh_shell(folder: Path) -> dict[str, str]:
    """What a fresh shell holds, and ports and a data directory of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    names = ("WEB_PORT", "EDGE_PORT", "SANDBOX_PORT", "SANDBOX_SMTP_PORT")
    return kept | {name: str(free_port()) for name in names} | {"APP_DATA_DIR": f"{folder}/var"}


@contextlib.contextmanager
def started(environ: dict[str, str], *command: str) -> Iterator[Run]:
    """Run it until it says that it runs; whatever happens then, nothing of it stays."""
    output = Path(environ["APP_DATA_DIR"]).with_name("output")
    with output.open("wb") as file:
        process = subprocess.Popen(
            command or SUPERVISOR,
            cwd=ROOT,
            env=environ,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    run = Run(environ, process, output)
    try:
        soon(lambda: "is running" in run.said() or process.poll() is not None, 120)
        assert process.poll() is None, run.said()
        assert "is running" in run.said(), run.said()
        yield run
    finally:
        run.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
