"""Brings the database up to date and loads the demo, in one process since Django is slow to load.

Decides the order of these steps; must never know how one is done.
"""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
from django.core.management import call_command
from django.db import connection

from connectivity.local.probe import listens
from connectivity.local.process import wait_until
from connectivity.local.programs import STARTING

# Seconds: it is started before the database, which it needs later than Django takes to load.
PATIENCE = 10.0


def main() -> None:
    """Migrate; then the sandbox's car and people, and the catalogue where Stripe is."""
    with_sandbox = "CAR_DATA_DIR" in os.environ
    # The car writes its papers while Django loads.
    manifest = _manifest() if with_sandbox else None
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.web")
    django.setup()
    _await_database(PATIENCE if STARTING in sys.argv else 0.0)
    call_command("migrate", interactive=False)
    if manifest is not None:
        call_command("import_vehicles", str(_written(manifest)))
    call_command("load_demo")
    if with_sandbox:
        _await_stripe(os.environ["STRIPE_API_BASE"])
    call_command("sync_catalog")


def _await_database(patience: float) -> None:
    # Not through Django's pool, which retries in its own, slower, time and does not say why.
    parameters = connection.get_connection_params()
    reasons: list[str] = []

    def connects() -> bool:
        try:
            psycopg.connect(**parameters).close()
        except psycopg.OperationalError as error:
            reasons.append(str(error))
            return False
        return True

    if not wait_until(connects, patience=patience):
        sys.exit(f"The database does not answer: {reasons[-1]}")


def _manifest() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.car", "--manifest"], stdout=subprocess.PIPE, text=True
    )


def _written(manifest: "subprocess.Popen[str]") -> Path:
    papers, _ = manifest.communicate()
    if manifest.returncode != 0:
        sys.exit("The sandbox's car could not write its papers.")
    file = Path(os.environ["SANDBOX_DATA_DIR"]) / "cars.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(papers)
    return file


def _await_stripe(base: str) -> None:
    address = urlsplit(base)
    port = address.port or 443
    if not wait_until(lambda: listens(address.hostname or "", port), patience=PATIENCE):
        sys.exit(f"Nothing answers at {base}.")


if __name__ == "__main__":
    main()
