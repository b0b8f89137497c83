"""How long it takes to write all snapshots anew, against a bare COPY of the same rows to a file."""

import time
from pathlib import Path

from django.core.management import call_command, get_commands
from psycopg import sql

from bench.ground import Ground
from billing import queries

COMMAND = "rebuild_snapshots"
_COPY = sql.SQL(
    f"""COPY (
        SELECT fleet_vehicle.*, facts.version, facts.grants
        FROM fleet_vehicle JOIN ({queries.FACTS}) AS facts ON facts.id = fleet_vehicle.id
    ) TO """  # noqa: S608 -- our own words
)


def measured(ground: Ground, site: str) -> tuple[float, float] | None:
    """Seconds for the command and for the COPY; None if there is no such command."""
    if COMMAND not in get_commands():
        return None
    with ground.valkey(site) as valkey:
        valkey.flushall()
    with ground.postgres() as db:
        row = db.execute("SHOW data_directory").fetchone()
        file = Path(str(row[0] if row else "")) / "copied"
        began = time.monotonic()
        db.execute(_COPY + sql.Literal(str(file)))
        copied = time.monotonic() - began
        file.unlink()
    began = time.monotonic()
    call_command(COMMAND, site=site, restart=True, verbosity=0)
    return time.monotonic() - began, copied
