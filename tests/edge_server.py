"""Runs the edge as `make run` does: a uvicorn process of its own, on this test's servers."""

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

from connectivity.local.programs import EDGE
from tests.running import ROOT, free_port, soon


@dataclass(frozen=True)
class Said:
    """An answer as it came over the line: headers in order, none folded into another."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Each value that a header has."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The value of a header that is there exactly once."""
        [value] = self.all(name)
        return value


@dataclass(frozen=True)
class Edge:
    """An edge that runs."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept alive."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Said:
        """Ask on a connection of its own."""
        with contextlib.closing(self.connect()) as line:
            return ask(line, method, path, body, **headers)


def ask(
    line: http.client.HTTPConnection, method: str, path: str, body: str = "", **headers: str
) -> Said:
    """Ask on this connection."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    line.request(method, path, body or None, names)
    answer = line.getresponse()
    return Said(answer.status, answer.getheaders(), answer.read())


@contextlib.contextmanager
def running_edge(folder: Path, **changed: str) -> Iterator[Edge]:
    """An edge on this test's database, site and clock; `changed` replaces its environment."""
    port = free_port()
    url = urlsplit(os.environ["DATABASE_URL"])
    own = {
        "DJANGO_SETTINGS_MODULE": "connectivity.settings.edge",
        "DATABASE_URL": url._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "EDGE_PORT": str(port),
    }
    command = [
        *(sys.executable, "-m", "uvicorn", *EDGE),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    log = folder / f"edge-{port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **own, **changed}, stdout=file, stderr=file
        )
    edge = Edge(port, process, log)
    try:
        soon(lambda: _answers(edge) or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        yield edge
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)


def _answers(edge: Edge) -> bool:
    try:
        return edge.ask("GET", "/livez").status == 200
    except OSError:
        return False
