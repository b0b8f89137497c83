"""The environment of a run: a person's wishes win, secrets last, contradictions are refused."""

import base64
import json
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from connectivity.local.environment import effective, kept_secrets, wishes, write
from connectivity.local.errors import CannotStart

EMBEDDED = {
    "database_url": "postgres://postgres@%2Fv%2Frun/connectivity",
    "broker_url": "redis+socket:///v/broker.sock",
    "sites": '{"local": "unix:///v/site.sock?db=0"}',
}


def test_without_wishes_everything_is_embedded_at_the_known_ports(tmp_path: Path) -> None:
    wished = wishes({}, tmp_path)
    assert (wished.postgres, wished.broker, wished.site, wished.sandbox) == (True,) * 4
    assert wished.data_dir == tmp_path / "var"
    assert wished.ports.named() == {
        "WEB_PORT": 8000,
        "EDGE_PORT": 8001,
        "SANDBOX_PORT": 8002,
        "SANDBOX_SMTP_PORT": 8025,
    }


@pytest.mark.parametrize(
    ("variable", "part"),
    [
        ("DATABASE_URL", "postgres"),
        ("BROKER_URL", "broker"),
        ("SITES", "site"),
        ("REDIS_URL", "site"),
        ("STRIPE_SECRET_KEY", "sandbox"),
    ],
)
def test_each_address_replaces_its_own_part_and_no_other(
    variable: str, part: str, tmp_path: Path
) -> None:
    wished = wishes({variable: "set", "STRIPE_WEBHOOK_SECRETS": "whsec_1"}, tmp_path)
    parts = ("postgres", "broker", "site", "sandbox")
    assert [name for name in parts if not getattr(wished, name)] == [part]


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert wishes({"DATABASE_URL": "", "WEB_PORT": ""}, tmp_path).postgres


def test_the_mail_port_follows_the_sandboxs(tmp_path: Path) -> None:
    assert wishes({"SANDBOX_PORT": "9002"}, tmp_path).ports.smtp == 9025


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"WEB_PORT": "http"}, "WEB_PORT is 'http'"),
        ({"EDGE_PORT": "0"}, "EDGE_PORT is '0'"),
        ({"SANDBOX_PORT": "65536"}, "SANDBOX_PORT is '65536'"),
        ({"WEB_PORT": "8001"}, "must differ"),
        ({"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRETS": "whsec_1"}, "live key"),
        ({"STRIPE_SECRET_KEY": "sk_test_1"}, "stripe listen --forward-to localhost:8000/"),
    ],
)
def test_what_cannot_work_is_refused_by_name(
    given: dict[str, str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CannotStart, match=reason):
        wishes(given, tmp_path)


def test_what_is_effective_is_complete_and_mine_where_i_set_it(tmp_path: Path) -> None:
    mine = {"SECRET_KEY": "mine", "EMAIL_URL": "smtp://mail.test", "APP_DATA_DIR": str(tmp_path)}
    values = effective(wishes(mine, tmp_path), **EMBEDDED)
    assert values["SECRET_KEY"] == "mine"
    assert values["EMAIL_URL"] == "smtp://mail.test"
    assert values["STRIPE_API_BASE"] == "http://localhost:8002"
    assert values["SITE"] == "local"
    assert values["CLOCK_FILE"] == str(tmp_path / "clock")
    assert (values["DEBUG"], values["EMBEDDED"]) == ("1", "1")


def test_with_a_real_key_nothing_points_at_the_sandbox(tmp_path: Path) -> None:
    real = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRETS": "whsec_1,whsec_2"}
    values = effective(wishes(real | {"APP_DATA_DIR": str(tmp_path)}, tmp_path), **EMBEDDED)
    assert values["STRIPE_SECRET_KEY"] == "sk_test_1"
    assert values["STRIPE_WEBHOOK_SECRETS"] == "whsec_1,whsec_2"
    assert "STRIPE_API_BASE" not in values
    assert values["EMAIL_URL"] == f"file:///{tmp_path}/mail"


def test_secrets_are_made_once_for_nobody_elses_eyes(tmp_path: Path) -> None:
    first = kept_secrets(tmp_path)
    assert kept_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600
    assert first["STRIPE_SECRET_KEY"].startswith("sk_test_sandbox")
    for name in ("LEASE_SIGNING_KEYS", "VEHICLE_TOKEN_KEYS"):
        assert len(base64.urlsafe_b64decode(first[name] + "=")) == 32
    other = tmp_path / "other"
    other.mkdir()
    assert not set(kept_secrets(other).values()) & set(first.values())


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    values = {"SITES": json.dumps({"local": "unix:///a b"}), "ODD": r"it's a \ and a # and a $HOME"}
    write(tmp_path / "embedded.env", values)
    assert dotenv_values(tmp_path / "embedded.env") == values
    assert stat.S_IMODE((tmp_path / "embedded.env").stat().st_mode) == 0o600
