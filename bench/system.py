"""A `make run` of the benchmarks' own, which this process joins as `manage.py` in a shell does."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django

from tests.running import Run, fresh_shell, started


@contextlib.contextmanager
def running() -> Iterator[Run]:
    """Everything that `make run` starts, and Django set up to speak to it; nothing of it stays."""
    with (
        tempfile.TemporaryDirectory(prefix="connectivity-bench-") as folder,
        started(fresh_shell(Path(folder))) as run,
    ):
        os.environ.update(run.joined(), DJANGO_SETTINGS_MODULE="connectivity.settings.web")
        django.setup()
        yield run
