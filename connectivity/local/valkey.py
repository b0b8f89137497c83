"""Decides how an embedded Valkey is started and reached; must never know what is kept in it."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from connectivity.local.binaries import valkey_server
from connectivity.local.process import Program, mark, set_aside
from connectivity.local.servers import running
from connectivity.local.sockets import remove_socket_directory, socket_directory

SOCKET = "valkey.sock"


class Valkey:
    """One server on one data directory; the name tells it from its neighbours."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._data_dir = data_dir.resolve()
        self._name = f"valkey-{name}"
        self._socket = socket_directory(self._data_dir, self._name, SOCKET) / SOCKET
        self._log = self._data_dir / "log" / f"{self._name}.log"

    @property
    def url(self) -> str:
        """The address as redis-py takes it."""
        return f"unix://{quote(str(self._socket))}?db=0"

    def prepare(self) -> Program:
        """Make its directory and return what starts it."""
        directory = self._data_dir / self._name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        set_aside(self._log)
        return Program(
            name=self._name,
            argv=(
                *(str(valkey_server()), "--port", "0", "--dir", str(directory)),
                *("--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                # Appended within a second: a kill loses nothing, a power cut a second.
                *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
                # Its title would be written over the environment by which a leftover is known.
                *("--set-proc-title", "no"),
            ),
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **mark(self._data_dir)},
            cwd=directory,
            log=self._log,
        )

    def ready(self) -> bool:
        """Whether it answers, its data loaded."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def forget(self) -> None:
        """Remove what lies outside the data directory, once the server is gone."""
        remove_socket_directory(self._data_dir, self._name)


def celery_url(redis_url: str) -> str:
    """Return the same address as Celery takes it: it has a scheme of its own for sockets."""
    parts = urlsplit(redis_url)
    return f"redis+socket://{parts.path}" if parts.scheme == "unix" else redis_url


@contextlib.contextmanager
def embedded_valkey(data_dir: Path, name: str) -> Iterator[str]:
    """Run a server on `data_dir/valkey-NAME` and yield its URL for redis-py; see `celery_url`.

    Raises CannotStart.
    """
    server = Valkey(data_dir, name)
    with running(server):
        yield server.url
