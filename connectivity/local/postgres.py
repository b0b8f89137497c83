"""Decides how the embedded PostgreSQL is made, started and reached; must never know what is in it.

It listens on a socket in a private directory and nowhere else, so that it needs no password.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from connectivity.local.accounts import account_for, hand_over
from connectivity.local.binaries import postgres_bin
from connectivity.local.errors import CannotStart
from connectivity.local.process import Program, launched, set_aside, wait_until
from connectivity.local.servers import running
from connectivity.local.sockets import remove_socket_directory, socket_directory

NAME = "postgres"
ROLE = "postgres"
DATABASE = "connectivity"
SOCKET = ".s.PGSQL.5432"
PATIENCE = 30.0  # seconds, for the server of an earlier run to stop
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A duplicate key is normal here; the statement and its values are people's data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "jit": "off",  # compiling costs more than it saves on a developer's data
}
# What a crash may lose when nobody will miss it.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One server on one data directory."""

    def __init__(
        self, data_dir: Path, *, durable: bool, settings: Mapping[str, str] | None = None
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._pgdata = self._data_dir / NAME
        self._log = self._data_dir / "log" / f"{NAME}.log"
        self._bin = postgres_bin()
        self._account = account_for(self._bin / "postgres", self._data_dir)
        self._sockets = socket_directory(self._data_dir, NAME, SOCKET)
        self._settings = SETTINGS | ({} if durable else FORGETFUL) | dict(settings or {})

    @property
    def url(self) -> str:
        """The DATABASE_URL; the host is the socket's directory, percent-encoded."""
        return f"postgres://{ROLE}@{quote(str(self._sockets), safe='')}/{DATABASE}"

    def prepare(self) -> Program:
        """Make the cluster if there is none yet, and return what starts the server."""
        if self._pgdata.exists():
            self._refuse_another_major()
        hand_over(self._account, self._data_dir, [self._pgdata, self._sockets])
        if not self._pgdata.exists():
            self._initdb()
        self._stop_leftover()
        set_aside(self._log)
        # It is a list, so that a comma in the path must be quoted.
        quoted = '"' + str(self._sockets).replace('"', '""') + '"'
        settings = self._settings | {"unix_socket_directories": quoted}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return self._program("postgres", "-D", str(self._pgdata), *options)

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self) -> None:
        """Make the database if it is not there yet."""
        with self._connect() as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def forget(self) -> None:
        """Remove what lies outside the data directory, once the server is gone."""
        remove_socket_directory(self._data_dir, NAME)

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self._sockets), user=ROLE, dbname="postgres", autocommit=True
        )

    def _program(self, name: str, *arguments: str) -> Program:
        return Program(
            name=NAME,
            argv=(str(self._bin / name), *arguments),
            # The server gets a clean environment: a PGDATA or PGPORT of yours is not its business.
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            cwd=self._data_dir,
            log=self._log,
            account=self._account,
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown: ends sessions, loses nothing
        )

    def _initdb(self) -> None:
        """Make the cluster beside its place and move it there whole, so that none is half made."""
        unfinished = self._pgdata.with_name(f"{NAME}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        hand_over(self._account, self._data_dir, [unfinished])
        initdb = self._program(
            *("initdb", "-D", str(unfinished), "-U", ROLE, "-A", "trust", "-E", "UTF8"),
            *("--locale=C.UTF-8", "--no-sync", "--data-checksums", "--no-instructions"),
        )
        done = subprocess.run(
            launched(initdb),
            env=dict(initdb.env),
            cwd=initdb.cwd,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode != 0:
            raise CannotStart(f"PostgreSQL could not make its data directory:\n{done.stderr}")
        unfinished.rename(self._pgdata)

    def _refuse_another_major(self) -> None:
        made_by = (self._pgdata / "PG_VERSION").read_text().strip()
        version = subprocess.run(
            [self._bin / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        if version.split(".")[0] != made_by:
            raise CannotStart(
                f"The data in {self._pgdata} were made by PostgreSQL {made_by}, and {self._bin} "
                f"holds {version}, which cannot read them. Set PG_BIN to the bin directory of a "
                f"PostgreSQL {made_by}; or start over with empty data: rm -r {self._data_dir}"
            )

    def _stop_leftover(self) -> None:
        """End a server that a killed supervisor left behind, and remove the mark of a dead one.

        PostgreSQL itself would refuse to start if another program had the dead one's number.
        """
        mark = self._pgdata / "postmaster.pid"
        if not mark.exists():
            return
        pid = int(mark.read_text().split("\n", 1)[0])
        if self._is_ours(pid):
            os.kill(pid, signal.SIGINT)
            if not wait_until(lambda: not self._is_ours(pid), patience=PATIENCE):
                raise CannotStart(
                    f"A PostgreSQL of an earlier run (process {pid}) still works on "
                    f"{self._pgdata} and does not stop. End it: kill -QUIT {pid}"
                )
        mark.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        # A server's working directory is its data directory.
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self._pgdata
        except OSError:
            return False


@contextlib.contextmanager
def embedded_postgres(
    data_dir: Path, *, durable: bool, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server on `data_dir/postgres` and yield its DATABASE_URL.

    `durable=False` trades what a power cut would lose for speed; the tests do. `settings` are
    PostgreSQL's own and come before ours. Raises CannotStart.
    """
    server = Postgres(data_dir, durable=durable, settings=settings)
    with running(server):
        server.create_database()
        yield server.url
