"""A wrong environment stops the start with one message that lists all that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEY = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
GOOD = {
    "SECRET_KEY": "secret",
    "ALLOWED_HOSTS": "example.com",
    "DATABASE_URL": "postgres://user@localhost/none",
    "BROKER_URL": "redis://localhost/0",
    "REDIS_URL": "redis://localhost/1",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRETS": "whsec_1",
    "LEASE_SIGNING_KEYS": KEY,
    "VEHICLE_TOKEN_KEYS": KEY,
    "EMAIL_URL": "consolemail://",
    "SELLER_NAME": "A seller",
    "SELLER_ADDRESS": "A street, a town",
    "SUPPORT_EMAIL": "help@example.com",
}


def start(
    tmp_path: Path, code: str = "import connectivity.settings.web", **changed: str | None
) -> subprocess.CompletedProcess[str]:
    """Load the settings, or run the code, in a process of its own; None takes a variable away."""
    given = {**GOOD, **changed, "PATH": os.environ["PATH"], "APP_DATA_DIR": str(tmp_path)}
    environ = {name: value for name, value in given.items() if value is not None}
    command = (sys.executable, "-c", code)
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30
    )


def test_a_right_one_is_accepted(tmp_path) -> None:
    assert start(tmp_path).returncode == 0, start(tmp_path).stderr


def test_limits_on_sign_in_count_by_the_address_that_the_proxies_tell(tmp_path) -> None:
    ask = (
        "import django; django.setup()\n"
        "from allauth.core.internal.httpkit import get_client_ip\n"
        "from django.test import RequestFactory\n"
        "told = {'x-forwarded-for': '1.1.1.1, 2.2.2.2, 3.3.3.3'}\n"
        "print(get_client_ip(RequestFactory().get('/', headers=told)))\n"
    )
    web = {"DJANGO_SETTINGS_MODULE": "connectivity.settings.web"}
    assert start(tmp_path, ask, **web).stdout == "127.0.0.1\n"
    assert start(tmp_path, ask, **web, TRUSTED_PROXIES="2").stdout == "2.2.2.2\n"


def test_all_that_is_missing_or_wrong_is_named_at_once(tmp_path) -> None:
    done = start(
        tmp_path, SECRET_KEY=None, SELLER_NAME=None, DATABASE_URL=None, WEB_PORT="http", SITES="[]"
    )
    assert done.returncode == 1
    for name in ("SECRET_KEY", "SELLER_NAME", "DATABASE_URL", "WEB_PORT", "SITES"):
        assert f"- {name}: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"VEHICLE_TOKEN_KEYS": f"{KEY},"}, "VEHICLE_TOKEN_KEYS"),
        ({"VEHICLE_TOKEN_KEYS": "short"}, "VEHICLE_TOKEN_KEYS"),
        ({"LEASE_SIGNING_KEYS": ""}, "LEASE_SIGNING_KEYS"),
        ({"STRIPE_API_BASE": "http://localhost:1", "STRIPE_SECRET_KEY": "sk_live_1"}, "STRIPE_API"),
        ({"BROKER_URL": "redis://localhost/1"}, "BROKER_URL"),
        ({"SITE": "mars"}, "SITE"),
        ({"MQTT_URL": "localhost:1883"}, "MQTT_URL"),
        ({"MQTT_URL": "mqtt://u:p@localhost:port"}, "MQTT_URL"),
        ({"CLOCK_FILE": "clock"}, "CLOCK_FILE"),
        ({"EMBEDDED": "1"}, "EMBEDDED"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_must_never_run_does_not_start(tmp_path, changed, named) -> None:
    done = start(tmp_path, **changed)
    assert done.returncode == 1
    assert f"- {named}" in done.stderr
