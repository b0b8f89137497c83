"""Decides who PostgreSQL runs as: it refuses to be root; must never know what it is for.

A user namespace is tried first. In it the server takes itself for an ordinary user while all its
files stay its caller's, so that even a directory that root keeps to itself is no hindrance. Where
the machine refuses one (many containers do), root starts it as `nobody`.
"""

import functools
import os
import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path

from connectivity.local.errors import CannotStart
from connectivity.local.launch import unprivileged_user
from connectivity.local.process import Account, Program, launched

REACHABLE = 0o711


def account_for(binary: Path, data_dir: Path) -> Account:
    """Return the account that may run the binary on this data directory, or raise CannotStart."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Account.OWN
    if namespaces_work():
        return Account.NAMESPACE
    if os.geteuid() != 0:
        raise CannotStart(
            f"PostgreSQL wants its user to have a name, and user id {os.geteuid()} has none in "
            "/etc/passwd. Run this as a user of the machine, or set DATABASE_URL."
        )
    for path in (binary, data_dir):
        _require_reachable(path)
    return Account.NOBODY


@functools.cache
def namespaces_work() -> bool:
    """Whether this machine lets this process make a user namespace."""
    probe = Program(
        name="probe",
        argv=("/bin/sh", "-c", "exit 0"),
        env={},
        cwd=Path("/"),
        log=Path(os.devnull),
        account=Account.NAMESPACE,
    )
    return subprocess.run(launched(probe), env={}, capture_output=True, check=False).returncode == 0


def hand_over(account: Account, data_dir: Path, directories: Iterable[Path]) -> None:
    """Give the directories that exist to the account; nothing outside them changes hands."""
    if os.geteuid() != 0:
        return
    uid, gid = 0, 0
    if account is Account.NOBODY:
        user = unprivileged_user()
        uid, gid = user.pw_uid, user.pw_gid
        for passage in (data_dir, data_dir / "run"):
            passage.chmod(REACHABLE)
    for directory in directories:
        if directory.exists() and directory.stat().st_uid != uid:
            _give(directory, uid, gid)


def _give(directory: Path, uid: int, gid: int) -> None:
    for path in (*directory.rglob("*"), directory):
        os.chown(path, uid, gid, follow_symlinks=False)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _require_reachable(path: Path) -> None:
    for directory in path.resolve().parents:
        if not directory.stat().st_mode & 0o001:
            raise CannotStart(
                f"PostgreSQL refuses to run as root, this machine refuses user namespaces, and "
                f"as `nobody` it cannot reach {path}, because {directory} is closed to others. "
                f"Move the checkout to a place that all may enter (/srv, say), run this as an "
                f"ordinary user, or set DATABASE_URL to a running PostgreSQL."
            )
