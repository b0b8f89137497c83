"""Decides whether a supervisor may have its data directory and its ports.

Must never know what runs there.
"""

import contextlib
import fcntl
import os
import pwd
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from connectivity.local.errors import CannotStart
from connectivity.local.process import MARK, wait_until

PATIENCE = 5.0  # seconds; the kernel has told them to end when their supervisor went


@contextlib.contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Hold the directory, made if need be, against a second supervisor; raises CannotStart."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"The data directory {data_dir} cannot be made: {error.strerror}. Set APP_DATA_DIR "
            "to a directory that you may write to."
        ) from error
    _refuse_anothers(data_dir)
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise CannotStart(
                f"{data_dir} is already in use by a running `make run` (process "
                f"{lock.read().strip()}). Stop that one first, with Ctrl-C in its terminal; or run "
                "a second copy beside it with an APP_DATA_DIR, WEB_PORT, EDGE_PORT and "
                "SANDBOX_PORT of its own."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def end_leftovers(
    data_dir: Path, *, supervisor: int | None = None, patience: float = PATIENCE
) -> int:
    """End what a killed supervisor left behind, any or that one; return how many it was."""
    found = leftovers(data_dir, supervisor)
    if not wait_until(lambda: not leftovers(data_dir, supervisor), patience=patience):
        for pid in leftovers(data_dir, supervisor):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not leftovers(data_dir, supervisor), patience=patience)
    return len(found)


def leftovers(data_dir: Path, supervisor: int | None = None) -> list[int]:
    """Return the processes that were started for this directory, by the mark that they carry."""
    mark = f"{MARK}={data_dir}#{supervisor or ''}".encode()
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if any(
            value == mark or (supervisor is None and value.startswith(mark))
            for value in _environment(entry)
        )
    ]


def refuse_taken_ports(ports: Mapping[str, int]) -> None:
    """Raise CannotStart for the first port that another program has, by the variable to change."""
    for variable, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise CannotStart(
                    f"Port {port} ({variable}) cannot be used: {error.strerror}. Stop the program "
                    f"that has it, or choose another: {variable}={port + 100} make run"
                ) from error


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # It ended meanwhile, or it is somebody else's.
        return []


def _refuse_anothers(data_dir: Path) -> None:
    owner = data_dir.stat().st_uid
    if owner != os.geteuid():
        raise CannotStart(
            f"The data directory {data_dir} belongs to {_name(owner)}, and this is "
            f"{_name(os.geteuid())}. Run it as {_name(owner)}, or set APP_DATA_DIR to a "
            "directory of your own."
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
