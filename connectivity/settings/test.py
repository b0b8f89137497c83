"""Tests: the web's settings; tests/conftest.py puts the servers' real addresses in first."""

import os

for _name, _value in {
    "DEBUG": "1",
    "EMBEDDED": "1",
    "SECRET_KEY": "test",
    "DATABASE_URL": "postgres://postgres@localhost:1/none",
    "BROKER_URL": "redis://localhost:1/0",
    "REDIS_URL": "redis://localhost:1/1",
    "STRIPE_SECRET_KEY": "sk_test_sandbox",
    "STRIPE_WEBHOOK_SECRETS": "whsec_test",
    "STRIPE_API_BASE": "http://localhost:1",
    "LEASE_SIGNING_KEYS": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    "VEHICLE_TOKEN_KEYS": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
    "EMAIL_URL": "memory://",
}.items():
    os.environ.setdefault(_name, _value)

from connectivity.settings.web import *  # noqa: E402, F403 -- after the placeholders
from connectivity.settings.web import DATABASES, LOGGING  # noqa: E402

DATABASES["default"]["OPTIONS"] = {"connect_timeout": 5}
DATABASES["default"]["ENGINE"] = "tests.postgres"
LOGGING["root"]["level"] = "WARNING"  # type: ignore[index]

# Tasks run where they are sent, after the commit; real workers run in tests/acceptance.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
# A test's frozen second holds more than a second's calls; tests of the budget set their own.
STRIPE_READS_PER_SECOND = 100_000
