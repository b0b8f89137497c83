"""The servers that are measured, each pinned to one core, and this process beside them.

PostgreSQL and the Valkeys are those of `make run`, and so is the edge; nothing of it stays.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import django
import psycopg
import redis
import requests
from django.core.management import call_command

from bench.load import require
from connectivity.local import environment
from connectivity.local.postgres import embedded_postgres
from connectivity.local.process import Program, last_lines, launched, wait_until
from connectivity.local.programs import Programs
from connectivity.local.valkey import celery_url, embedded_valkey
from tests.running import ROOT, free_port

SERVERS, LOAD = 0, 1  # cores
POSTGRES = {"shared_buffers": "2GB"}  # as a server has; at `make run` it is a developer's 128 MB
PATIENCE = 60.0
# A data centre of each size, and one that is emptied; each has a Valkey of its own.
SITES = ("small", "million", "large", "cold")
CHECK = "/vehicle/v1/entitlement"
EDGE = "connectivity.edge:application"
# Ten thousand cars that ask as fast as they can are more than a road has: nobody is to be stopped.
UNLIMITED = {"CAR_AT_ONCE": "1000000", "FAILURES_AT_ONCE": "1000000"}


@dataclass
class Served:
    """A server that answers."""

    process: "subprocess.Popen[bytes]"
    url: str
    address: str

    @property
    def memory(self) -> int:
        """Bytes of memory that it has to itself and its libraries."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Ground:
    """Where the servers stand."""

    folder: Path
    values: Mapping[str, str]
    sites: dict[str, str]
    stack: contextlib.ExitStack
    served: list[Served] = field(default_factory=list)

    def edge(self, site: str, application: str = EDGE, **environ: str) -> Served:
        """An edge that reads this site, or another application on the very same server."""
        port = free_port()
        ports = environment.Ports(web=0, edge=port, sandbox=0, smtp=0)
        # The server itself asks for the settings when it closes a connection, whoever answers.
        always = {"DJANGO_SETTINGS_MODULE": "connectivity.settings.edge", **UNLIMITED}
        values = {**self.values, **always, "SITE": site, **environ}
        program = Programs(
            root=ROOT,
            data_dir=self.folder,
            ports=ports,
            with_sandbox=False,
            given={"PATH": os.environ["PATH"]},
            effective=values,
        ).edge()
        argv = tuple(application if part == EDGE else part for part in program.argv)
        return self.serve(replace(program, argv=argv), port, CHECK)

    def gunicorn(self, site: str, *options: str) -> Served:
        """The views of the Django REST Framework."""
        port = free_port()
        argv = (
            *(sys.executable, "-m", "gunicorn", "bench.rivals.wsgi:application"),
            *("--bind", f"127.0.0.1:{port}", "--no-control-socket", *options),
        )
        env = {"PATH": os.environ["PATH"], **self.values, "SITE": site}
        program = Program(
            name="gunicorn",
            argv=argv,
            env=env,
            cwd=ROOT,
            log=self.folder / "log" / f"gunicorn-{port}.log",
        )
        return self.serve(program, port, "/redis")

    def serve(self, program: Program, port: int, path: str) -> Served:
        """Start a server on its core, and wait until it answers."""
        with program.log.open("ab") as log, on_core(SERVERS):
            process = subprocess.Popen(
                launched(program),
                env=dict(program.env),
                cwd=program.cwd,
                stdout=log,
                stderr=log,
            )
        address = f"http://127.0.0.1:{port}"
        served = Served(process, address + path, address)
        self.served.append(served)
        self.stack.callback(served.stop)
        if not wait_until(lambda: _answers(served), patience=PATIENCE):
            raise RuntimeError(f"{program.name} does not answer:\n{last_lines(program.log)}")
        return served

    def valkey(self, site: str) -> redis.Redis:
        """A site's Valkey."""
        return redis.Redis.from_url(self.sites[site])

    def postgres(self) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of one's own, with each statement for itself."""
        return psycopg.connect(self.values["DATABASE_URL"], autocommit=True)


@contextlib.contextmanager
def standing() -> Iterator[Ground]:
    """PostgreSQL and a Valkey for each site, and Django set up here to speak to them.

    Raises Missing.
    """
    require()
    if (os.cpu_count() or 1) <= LOAD:
        raise RuntimeError("This machine has one core; servers and load are to have one each.")
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="connectivity-bench-"))
        )
        with on_core(SERVERS):
            database = stack.enter_context(
                embedded_postgres(folder, durable=False, settings=POSTGRES)
            )
            urls = {name: stack.enter_context(embedded_valkey(folder, name)) for name in SITES}
        os.sched_setaffinity(0, {LOAD})
        wished = environment.wishes({"APP_DATA_DIR": str(folder)}, ROOT)
        values = environment.effective(
            wished,
            database_url=database,
            broker_url=celery_url(urls[SITES[0]]),
            sites=json.dumps(urls),
        )
        os.environ.update(values, DJANGO_SETTINGS_MODULE="connectivity.settings.web")
        django.setup()
        call_command("migrate", verbosity=0)
        ground = Ground(folder, values, urls, stack)
        for name in SITES:
            # A file that is written anew while something is measured would be measured with it.
            ground.valkey(name).config_set("auto-aof-rewrite-percentage", 0)
        yield ground


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started in here runs on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _answers(served: Served) -> bool:
    if served.process.poll() is not None:
        return True
    try:
        return requests.get(served.url, timeout=5).status_code < 500
    except requests.RequestException:
        return False
