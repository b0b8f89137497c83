"""Decides where a server's socket lies; must never know what the server serves.

The address of a socket holds at most 107 bytes, so that a deep checkout needs a short way round.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

LONGEST = 107
PREFIX = "connectivity-"


def socket_directory(data_dir: Path, name: str, socket: str) -> Path:
    """Return a directory, 0700, in which a socket of that file name has a short enough path.

    That is `run/NAME` in the data directory or, where its path is too long or has a comma, with
    which PostgreSQL separates directories, a fresh one among the temporary files. Then
    `run/NAME.elsewhere` says which, so that the next start finds it.
    """
    run = data_dir / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_socket_directory(data_dir, name)
    directory = run / name
    if len(os.fsencode(directory / socket)) > LONGEST or "," in str(directory):
        directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        _note(data_dir, name).write_text(str(directory))
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def remove_socket_directory(data_dir: Path, name: str) -> None:
    """Remove what was made among the temporary files, if anything was."""
    note = _note(data_dir, name)
    if note.exists():
        directory = Path(note.read_text())
        if _is_private(directory):
            shutil.rmtree(directory)
        note.unlink()


def _note(data_dir: Path, name: str) -> Path:
    return data_dir / "run" / f"{name}.elsewhere"


def _is_private(directory: Path) -> bool:
    """Whether it is one of ours still: anybody may write where temporary files lie."""
    if not directory.name.startswith(PREFIX) or not directory.exists():
        return False
    mode = directory.lstat().st_mode
    return stat.S_ISDIR(mode) and stat.S_IMODE(mode) == 0o700
