"""Celery: the speed. Rows are the queue of record; the beat's sweeps find what was not sent."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.worker")

app = Celery("connectivity")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    ["billing", "fleet", "connectivity.notices", "connectivity.accounts", "connectivity.law"]
)
# What somebody may wait for, in this order: what was paid, and then which cars it is to be told.
AT_ONCE = ("billing.tasks.sweep", "fleet.tasks.sweep")


def sweep_at_once(**_: Any) -> None:
    """Who comes back after a time without a worker does not wait for the beat's next turn."""
    for name in AT_ONCE:
        app.tasks[name].apply_async(expires=5)


worker_ready.connect(sweep_at_once)
