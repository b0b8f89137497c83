"""A pytest plugin, loaded before Django's settings: the real servers that the suite runs on.

The first process starts one PostgreSQL; each xdist worker has its own database in it (by
pytest-django), its own two Valkeys and its own clock. Nothing outlives the run.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from connectivity.local.postgres import embedded_postgres
from connectivity.local.valkey import celery_url, embedded_valkey

_stack = contextlib.ExitStack()
RECORDS = "TEST_RECORDS"


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="connectivity-tests-"))
    _stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _start() -> None:
    folder = _folder()
    environ = os.environ
    if not _is_worker():
        environ["DATABASE_URL"] = _stack.enter_context(embedded_postgres(folder, durable=False))
        environ[RECORDS] = str(folder / "records")
        Path(environ[RECORDS]).mkdir()
    broker = _stack.enter_context(embedded_valkey(folder, "broker"))
    environ["BROKER_URL"] = celery_url(broker)
    environ["REDIS_URL"] = _stack.enter_context(embedded_valkey(folder, "site"))
    environ["CLOCK_FILE"] = str(folder / "clock")
    for name in ("SITES", "SITE", "APP_DATA_DIR", "MQTT_URL"):
        environ.pop(name, None)


_start()
atexit.register(_stack.close)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started, before pytest reports."""
    _stack.close()
