"""The product's processes for those who kill them: real ones, each started again at once.

Which one is killed, and when, is decided elsewhere.
"""

import contextlib
import dataclasses
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from connectivity.local import environment
from connectivity.local.postgres import embedded_postgres
from connectivity.local.probe import listens, ready
from connectivity.local.process import Process, Program, last_lines, wait_until
from connectivity.local.programs import Programs
from connectivity.local.valkey import celery_url, embedded_valkey
from tests.running import ROOT, free_port, fresh_shell

PATIENCE = 120.0


class Keeper:
    """Children that are started again as soon as they are gone.

    They are started from the main thread alone: the kernel ends a child with the thread that made
    it.
    """

    def __init__(self) -> None:
        self._makes: dict[str, Callable[[], Program]] = {}
        self._processes: dict[str, Process] = {}
        self.starts = 0

    def add(self, name: str, make: Callable[[], Program]) -> None:
        """Start one and keep it."""
        self._makes[name] = make
        self._processes[name] = Process(make())

    def tend(self) -> None:
        """Start again who is gone; what it left behind goes first, as in a container."""
        for name, process in list(self._processes.items()):
            if process.exit_code is not None:
                process.kill()
                self._processes[name] = Process(self._makes[name]())
                self.starts += 1

    def parent(self, name: str) -> int:
        """The process that was started under this name."""
        return self._processes[name]._popen.pid

    def children(self, name: str) -> list[int]:
        """The processes that it has forked, as far as they live."""
        parent = self.parent(name)
        return [pid for pid, ppid in _families() if ppid == parent]

    def names(self) -> list[str]:
        """All that are kept."""
        return list(self._processes)

    def stop(self) -> None:
        """End them all in good order, the last one first."""
        for process in reversed(self._processes.values()):
            process.ask_to_stop()
        for process in self._processes.values():
            process.stop()


@dataclasses.dataclass
class System:
    """All of it: where its parts answer, and who keeps them."""

    folder: Path
    environ: dict[str, str]
    webs: list[str]
    sandbox: str
    keeper: Keeper

    @property
    def stripe_file(self) -> Path:
        """What the sandbox's Stripe knows, as SQLite."""
        return self.folder / "var" / "sandbox" / "stripe.sqlite3"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[System]:
    """Servers, sandbox, two webs, two workers and a beat, as `make run` starts them."""
    wished = environment.wishes(fresh_shell(folder), ROOT)
    data_dir = wished.data_dir
    with (
        embedded_postgres(data_dir, durable=True) as database,
        embedded_valkey(data_dir, "broker") as broker,
        embedded_valkey(data_dir, "site") as site,
    ):
        effective = environment.effective(
            wished,
            database_url=database,
            broker_url=celery_url(broker),
            sites=json.dumps({"local": site}),
        )
        programs = Programs(
            root=ROOT,
            data_dir=data_dir,
            ports=wished.ports,
            with_sandbox=True,
            given=wished.given,
            effective=effective,
        )
        sandbox = Process(programs.sandbox())
        keeper = Keeper()
        try:
            _prepare(programs)
            webs = _keep(keeper, programs)
            yield System(folder, effective, webs, effective["STRIPE_API_BASE"], keeper)
        finally:
            keeper.stop()
            sandbox.stop()


def _prepare(programs: Programs) -> None:
    wait_until(lambda: listens("localhost", programs.ports.sandbox), patience=PATIENCE)
    preparation = Process(programs.prepare())
    assert preparation.wait(PATIENCE), "The preparation takes too long."
    assert preparation.exit_code == 0, last_lines(preparation.program.log)


def _keep(keeper: Keeper, programs: Programs) -> list[str]:
    """Start what is to be killed; the first web is the one to which Stripe sends its events."""
    other = dataclasses.replace(
        programs, ports=dataclasses.replace(programs.ports, web=free_port())
    )
    keeper.add("web", programs.web)
    keeper.add("web-2", _named("web-2", other.web))
    keeper.add("worker", programs.worker)
    keeper.add("worker-2", _named("worker-2", programs.worker))
    keeper.add("beat", programs.beat)
    webs = [programs.ports.web, other.ports.web]
    assert wait_until(lambda: all(map(ready, webs)), patience=PATIENCE), "A web is not ready."
    return [f"http://localhost:{port}" for port in webs]


def _named(name: str, make: Callable[[], Program]) -> Callable[[], Program]:
    """The same program under another name, with a log of its own."""

    def named() -> Program:
        program = make()
        argv = program.argv
        if "worker" in argv:
            argv = (*argv, "--hostname", f"{name}@%h")
        log = program.log.with_name(f"{name}.log")
        return dataclasses.replace(program, name=name, log=log, argv=argv)

    return named


def kill(pid: int) -> bool:
    """Kill a process as a power cut would, and return once it is gone; False if it was before."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    deadline = time.monotonic() + 10
    while _state(pid) not in ("", "Z"):
        assert time.monotonic() < deadline, f"{pid} does not die."
        time.sleep(0.001)
    return True


def children_of(parent: int) -> dict[int, str]:
    """The command line of each process that a process has started itself."""
    return {pid: _command(pid) for pid, ppid in _families() if ppid == parent}


def owner_of_port(port: int, pids: list[int]) -> int | None:
    """Which of these processes has the end of a connection that lies at this local port."""
    inode = _socket_at(port)
    if inode is None:
        return None
    mark = f"socket:[{inode}]"
    return next((pid for pid in pids if mark in _files(pid)), None)


def _socket_at(port: int) -> str | None:
    """The number of the socket at this port, as a client's end."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0":
                return fields[9]
    return None


def _files(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found


def _families() -> Iterator[tuple[int, int]]:
    """Each living process and its parent."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            fields = _stat(int(entry.name))
            if fields and fields[0] not in ("Z", "X"):
                yield int(entry.name), int(fields[1])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; a name may hold blanks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
