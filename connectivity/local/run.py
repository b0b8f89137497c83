"""Decides the order in which `make run` starts and stops things.

Must never know how a single one of them works.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectivity.local import environment
from connectivity.local.crew import Crew
from connectivity.local.environment import Wishes
from connectivity.local.errors import CannotStart
from connectivity.local.postgres import Postgres
from connectivity.local.probe import ready
from connectivity.local.process import POLL, Process, last_lines
from connectivity.local.programs import Programs
from connectivity.local.servers import Server
from connectivity.local.stopping import StopRequests
from connectivity.local.valkey import Valkey, celery_url

# The ranks, in the order of starting; stopping goes the other way.
DATABASE, CACHES, OUTSIDE, PRODUCT = range(4)
PATIENCE = 120.0  # seconds for one step, on a slow machine
TENDING = 0.2  # seconds between two looks at the children


@dataclass
class Embedded:
    """The servers that nobody else provides; None for each that somebody does."""

    postgres: Postgres | None
    broker: Valkey | None
    site: Valkey | None

    @classmethod
    def wished(cls, wished: Wishes) -> "Embedded":
        """Lay out what the environment leaves to us. Raises CannotStart."""
        return cls(
            postgres=Postgres(wished.data_dir, durable=True) if wished.postgres else None,
            broker=Valkey(wished.data_dir, "broker") if wished.broker else None,
            site=Valkey(wished.data_dir, "site") if wished.site else None,
        )

    def servers(self) -> list[Server]:
        """Return those that there are, the slowest to be made last."""
        return [server for server in (self.broker, self.site, self.postgres) if server is not None]


class Run:
    """One run of everything, from the first server to the last."""

    def __init__(
        self, root: Path, wished: Wishes, requests: StopRequests, say: Callable[[str], None]
    ):
        self._root = root
        self._wished = wished
        self._requests = requests
        self._crew = Crew(say)
        self._embedded = Embedded.wished(wished)

    def up(self) -> None:
        """Start everything and return when it answers. Raises CannotStart, Stopped."""
        programs = self._programs()
        if self._wished.sandbox:
            self._crew.add(programs.sandbox, rank=OUTSIDE)
        preparation = Process(programs.prepare())
        try:
            self._start_servers()
            # It loads meanwhile, and asks the database for nothing before it is asked.
            self._crew.add(programs.web, rank=PRODUCT)
            self._await(lambda: preparation.exit_code is not None, "the preparation")
        finally:
            preparation.kill()
        _require_success(preparation)
        self._start_the_rest(programs)

    def _start_the_rest(self, programs: Programs) -> None:
        ports = self._wished.ports
        self._crew.add(programs.edge, rank=PRODUCT)
        self._crew.add(programs.worker, rank=PRODUCT)
        self._await(lambda: ready(ports.web), "web at /readyz")
        self._await(lambda: ready(ports.edge), "edge at /readyz")
        # Nobody waits for these.
        self._crew.add(programs.beat, rank=PRODUCT)
        if self._wished.sandbox:
            self._crew.add(programs.car, rank=PRODUCT)

    def tend(self) -> None:
        """Keep the children alive until somebody asks to stop."""
        while not self._requests.count:
            self._crew.tend()
            time.sleep(TENDING)

    def down(self) -> None:
        """Stop everything, PostgreSQL last; a second request means at once."""
        enough = max(self._requests.count, 1)
        self._crew.stop(impatient=lambda: self._requests.count > enough)
        for server in self._embedded.servers():
            server.forget()

    def _programs(self) -> Programs:
        given, data_dir = self._wished.given, self._wished.data_dir
        effective = environment.effective(self._wished, **self._addresses())
        environment.write(data_dir / "embedded.env", effective)
        return Programs(
            root=self._root,
            data_dir=data_dir,
            ports=self._wished.ports,
            with_sandbox=self._wished.sandbox,
            given=given,
            effective=effective,
        )

    def _addresses(self) -> dict[str, str]:
        given, own = self._wished.given, self._embedded
        site = own.site.url if own.site else given.get("REDIS_URL", "")
        return {
            "database_url": own.postgres.url if own.postgres else given["DATABASE_URL"],
            "broker_url": celery_url(own.broker.url) if own.broker else given["BROKER_URL"],
            "sites": given.get("SITES") or json.dumps({"local": site}),
        }

    def _start_servers(self) -> None:
        servers = self._embedded.servers()
        for server in servers:
            rank = DATABASE if server is self._embedded.postgres else CACHES
            self._crew.add(server.prepare, rank=rank)
        self._await(lambda: all(server.ready() for server in servers), "the embedded servers")
        if self._embedded.postgres:
            self._embedded.postgres.create_database()

    def _await(self, check: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not check():
            self._requests.raise_if_any()
            self._crew.require_all()
            if time.monotonic() > deadline:
                logs = self._wished.data_dir / "log"
                raise CannotStart(
                    f"No answer from {what} in {PATIENCE:g} s; the logs are in {logs}"
                )
            time.sleep(POLL)


def _require_success(preparation: Process) -> None:
    if preparation.exit_code != 0:
        log = preparation.program.log
        raise CannotStart(f"The database could not be prepared:\n{last_lines(log)}\n({log})")
