"""Celery: the speed. Rows are the queue of record; the beat's sweeps find what was not sent."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.worker")

app = Celery("connectivity")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    ["billing", "fleet", "connectivity.notices", "connectivity.accounts", "connectivity.law"]
)
