"""Decides the environment of all that `make run` starts; must never start anything.

What a person has set wins; the rest is for the embedded servers and the sandbox. Secrets are made
once and kept in the data directory, so that a restart signs nobody out.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from connectivity.local.errors import CannotStart


@dataclass(frozen=True)
class Ports:
    """Where the processes listen, on loopback."""

    web: int
    edge: int
    sandbox: int
    smtp: int

    def named(self) -> dict[str, int]:
        """Return each under the variable that sets it."""
        return {
            "WEB_PORT": self.web,
            "EDGE_PORT": self.edge,
            "SANDBOX_PORT": self.sandbox,
            "SANDBOX_SMTP_PORT": self.smtp,
        }


@dataclass(frozen=True)
class Wishes:
    """What a person's own environment asks for: which of the parts are not to be embedded."""

    given: Mapping[str, str]
    data_dir: Path
    ports: Ports

    @property
    def postgres(self) -> bool:
        """Whether to embed PostgreSQL."""
        return "DATABASE_URL" not in self.given

    @property
    def broker(self) -> bool:
        """Whether to embed Celery's Valkey."""
        return "BROKER_URL" not in self.given

    @property
    def site(self) -> bool:
        """Whether to embed the Valkey of the one data centre."""
        return not {"SITES", "REDIS_URL"} & self.given.keys()

    @property
    def sandbox(self) -> bool:
        """Whether to run the stand-in for Stripe, and the car that lives in it."""
        return "STRIPE_SECRET_KEY" not in self.given


def wishes(environ: Mapping[str, str], root: Path) -> Wishes:
    """Read a person's environment; an empty variable counts as unset. Raises CannotStart."""
    given = {name: value for name, value in environ.items() if value}
    data_dir = Path(given.get("APP_DATA_DIR") or root / "var").resolve()
    sandbox_port = _port(given, "SANDBOX_PORT", 8002)
    ports = Ports(
        web=_port(given, "WEB_PORT", 8000),
        edge=_port(given, "EDGE_PORT", 8001),
        sandbox=sandbox_port,
        smtp=_port(given, "SANDBOX_SMTP_PORT", sandbox_port + 23),
    )
    wished = Wishes(given=given, data_dir=data_dir, ports=ports)
    _refuse_contradictions(wished)
    return wished


def effective(wished: Wishes, *, database_url: str, broker_url: str, sites: str) -> dict[str, str]:
    """Return what holds for every process of this run, and for a command in another shell."""
    given = wished.given
    values = _stripe(wished) | {
        "DEBUG": "1",
        "EMBEDDED": "1",
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "SITES": sites,
        "SITE": given.get("SITE") or next(iter(json.loads(sites))),
        "EMAIL_URL": given.get("EMAIL_URL") or _email_url(wished),
        "APP_DATA_DIR": str(wished.data_dir),
        "CLOCK_FILE": str(wished.data_dir / "clock"),
    }
    for name, value in kept_secrets(wished.data_dir).items():
        values.setdefault(name, given.get(name) or value)
    return values | {name: str(port) for name, port in wished.ports.named().items()}


def kept_secrets(data_dir: Path) -> dict[str, str]:
    """Return the secrets of this data directory, made at its first start."""
    file = data_dir / "secrets.env"
    kept = dotenv_values(file, interpolate=False) if file.exists() else {}
    values = {name: kept.get(name) or make() for name, make in SECRETS.items()}
    if values != kept:
        write(file, values)
    return values


def write(file: Path, values: Mapping[str, str]) -> None:
    """Write KEY='value' lines, whole or not at all, for nobody else to read."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    lines = [f"{name}={_quoted(value)}\n" for name, value in values.items()]
    fresh.write_text("".join(lines))
    fresh.replace(file)


def _key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


SECRETS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "STRIPE_SECRET_KEY": lambda: f"sk_test_sandbox{secrets.token_hex(16)}",
    "STRIPE_WEBHOOK_SECRETS": lambda: f"whsec_{secrets.token_hex(24)}",
    "LEASE_SIGNING_KEYS": _key,
    "VEHICLE_TOKEN_KEYS": _key,
}


def _stripe(wished: Wishes) -> dict[str, str]:
    if wished.sandbox:
        address = f"http://localhost:{wished.ports.sandbox}"
        return {"STRIPE_API_BASE": address, "STRIPE_AUTOMATIC_TAX": "1"}
    names = (
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRETS",
        "STRIPE_API_BASE",
        "STRIPE_AUTOMATIC_TAX",
    )
    return {name: wished.given[name] for name in names if name in wished.given}


def _email_url(wished: Wishes) -> str:
    if wished.sandbox:
        return f"smtp://127.0.0.1:{wished.ports.smtp}"
    return f"file:///{wished.data_dir / 'mail'}"


def _refuse_contradictions(wished: Wishes) -> None:
    given = wished.given
    if given.get("STRIPE_SECRET_KEY", "").startswith("sk_live_"):
        raise CannotStart(
            "STRIPE_SECRET_KEY is a live key, and `make run` is for development: its clock can be "
            "moved and its demo data are not customers. Use a test key, or none for the sandbox."
        )
    if not wished.sandbox and "STRIPE_WEBHOOK_SECRETS" not in given:
        raise CannotStart(
            "STRIPE_SECRET_KEY is set, so STRIPE_WEBHOOK_SECRETS is needed too. This prints one: "
            f"stripe listen --forward-to localhost:{wished.ports.web}/billing/webhook/"
        )
    ports = wished.ports.named()
    if len(set(ports.values())) < len(ports):
        raise CannotStart(f"Each port must differ from the others, and they are {ports}.")


def _port(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CannotStart(f"{name} is {text!r}; it must be a port number from 1 to 65535.")
    return int(text)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
