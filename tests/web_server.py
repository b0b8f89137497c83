"""Runs the site as `make run` does: gunicorn processes of their own, on this test's servers."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

from tests.running import ROOT, free_port, soon


@contextlib.contextmanager
def running_webs(folder: Path, ports: list[int], **changed: str) -> Iterator[list[str]]:
    """A web process on each of these ports; `changed` replaces their environment."""
    url = urlsplit(os.environ["DATABASE_URL"])
    own = {
        "DJANGO_SETTINGS_MODULE": "connectivity.settings.web",
        "DATABASE_URL": url._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
    }
    environ = {**os.environ, **own, **changed}
    started = [_started(port, environ, folder / f"web-{port}.log") for port in ports]
    try:
        # They start beside each other, and so they end.
        for port, process in zip(ports, started, strict=True):
            _await(port, process, folder / f"web-{port}.log")
        yield [f"http://localhost:{port}" for port in ports]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(10)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has just now, each another."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)


def _started(port: int, environ: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    command = [
        *(sys.executable, "-m", "gunicorn", "connectivity.wsgi:application"),
        *("--no-control-socket", "--forwarder-headers", "", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", "1", "--threads", "4"),
        *("--graceful-timeout", "3"),
    ]
    with log.open("wb") as file:
        return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=file, stderr=file)


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    soon(lambda: _answers(port) or process.poll() is not None, 60)
    assert process.poll() is None, log.read_text()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/livez", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
