"""Reads the environment once, typed; refuses to start with one message that lists all faults."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError, ValidationError

KEYS = "each key, newest first, is 32 random bytes in base64url without padding"
_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
BASE_DIR = Path(__file__).resolve().parents[2]
env = Env(eager=False)


def _join_running_system() -> None:
    """Let a command in another shell join `make run`, whose environment is left in `var/`."""
    folder = Path(os.environ.get("APP_DATA_DIR") or BASE_DIR / "var")
    file = folder / "embedded.env"
    if "DATABASE_URL" not in os.environ and file.is_file():
        env.read_env(file, recurse=False, override=False)


def _sites(text: str) -> dict[str, str]:
    try:
        sites = json.loads(text)
    except ValueError:
        sites = None
    if not isinstance(sites, dict) or not sites:
        raise ValidationError("It is a JSON object: data centre name -> Redis URL.")
    return {str(name): str(url) for name, url in sites.items()}


def _are_keys(values: list[str] | None) -> bool:
    """Whether each is 32 bytes; a missing variable is reported as missing, not here."""
    return values is None or (bool(values) and all(map(_KEY.fullmatch, values)))


def seal(rules: list[tuple[bool, str]]) -> None:
    """Stop the start if a variable is missing or wrong, or one of `rules` (broken, message) is."""
    problems: list[str] = []
    try:
        env.seal()
    except EnvValidationError as error:
        reasons_by_name: Any = error.error_messages
        for name, reasons in reasons_by_name.items():
            problems += [f"{name}: {reason}" for reason in reasons]
    problems += [message for broken, message in rules if broken]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        sys.exit(
            f"The environment is not right:\n{lines}\n"
            "See docs/operations.md for each variable, or use `make run`, which sets them all."
        )


env.add_parser("sites", lambda value, **_: _sites(value))
_join_running_system()

DEBUG: bool = env.bool("DEBUG", False)
EMBEDDED: bool = env.bool("EMBEDDED", False)
SECRET_KEY: str = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
_hosts: Any = ["localhost", "127.0.0.1"] if DEBUG else ...  # without DEBUG it has no default
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", _hosts)
TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", 0)
DATABASE: dict[str, Any] = env.dj_db_url("DATABASE_URL")
BROKER_URL: str = env.str("BROKER_URL")
_redis_url: str = env.str("REDIS_URL", "redis://localhost:6379/0")
SITES: dict[str, str] = env.sites("SITES", json.dumps({"local": _redis_url}))
SITE: str = env.str("SITE", "local")
MQTT_URL: str = env.str("MQTT_URL", "")
STRIPE_SECRET_KEY: str = env.str("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRETS: list[str] = env.list("STRIPE_WEBHOOK_SECRETS")
STRIPE_API_BASE: str = env.str("STRIPE_API_BASE", "")
STRIPE_AUTOMATIC_TAX: bool = env.bool("STRIPE_AUTOMATIC_TAX", False)
LEASE_SIGNING_KEYS: list[str] = env.list("LEASE_SIGNING_KEYS")
VEHICLE_TOKEN_KEYS: list[str] = env.list("VEHICLE_TOKEN_KEYS")
VEHICLE_AUDIENCE: str = env.str("VEHICLE_AUDIENCE", "premium-connectivity")
POLL_SECONDS: int = env.int("POLL_SECONDS", 2 if EMBEDDED else 300)
# So many a second in the long run, and so many at once; see fleet.limits.
CAR_LIMIT: tuple[float, int] = (
    env.float("CAR_PER_SECOND", 1.0),
    env.int("CAR_AT_ONCE", 30),
)
FAILURE_LIMIT: tuple[float, int] = (
    env.float("FAILURES_PER_SECOND", 1.0),
    env.int("FAILURES_AT_ONCE", 100),
)
REMEMBERED_CARS: int = env.int("REMEMBERED_CARS", 250_000)
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")
EMAIL: dict[str, Any] = env.dj_email_url("EMAIL_URL")
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", "Premium Connectivity <no-reply@localhost>")
# Who sells is on the pages that the law asks for; without DEBUG nobody is made up.
_nobody: Any = "Nobody: this installation sells nothing" if DEBUG else ...
SELLER_NAME: str = env.str("SELLER_NAME", _nobody)
SELLER_ADDRESS: str = env.str("SELLER_ADDRESS", _nobody)
_support: Any = "support@localhost" if DEBUG else ...
SUPPORT_EMAIL: str = env.str("SUPPORT_EMAIL", _support)
WEB_PORT: int = env.int("WEB_PORT", 8000)
EDGE_PORT: int = env.int("EDGE_PORT", 8001)
SANDBOX_PORT: int = env.int("SANDBOX_PORT", 8002)
# Where mails point to: their reader is not on the site, so no request says where it is.
_host = (ALLOWED_HOSTS or ["localhost"])[0].lstrip(".")
WEB_URL: str = env.str("WEB_URL", f"http://localhost:{WEB_PORT}" if DEBUG else f"https://{_host}")
CLOCK_FILE: str = env.str("CLOCK_FILE", "")

seal(
    [
        (EMBEDDED and not DEBUG, "EMBEDDED: the embedded servers are for development; set DEBUG=1"),
        (bool(CLOCK_FILE) and not EMBEDDED, "CLOCK_FILE: the clock moves in embedded mode only"),
        (
            bool(STRIPE_API_BASE) and str(STRIPE_SECRET_KEY).startswith("sk_live_"),
            "STRIPE_API_BASE: a live key speaks to Stripe only; unset STRIPE_API_BASE",
        ),
        (
            not DEBUG and bool(SITES) and BROKER_URL in (SITES or {}).values(),
            "BROKER_URL: it is also a site's; emptying a cache must not empty the queue",
        ),
        (
            bool(MQTT_URL) and not re.fullmatch(r"mqtts?://([^/@]+@)?[^/@:]+(:\d{1,5})?", MQTT_URL),
            "MQTT_URL: it is mqtt:// or mqtts://, user:password@ if the broker wants it, host:port",
        ),
        (
            bool(METRICS_TOKEN) and len(METRICS_TOKEN) < 20,
            "METRICS_TOKEN: it is to be a secret of at least 20 characters",
        ),
        (not _are_keys(LEASE_SIGNING_KEYS), f"LEASE_SIGNING_KEYS: {KEYS}"),
        (not _are_keys(VEHICLE_TOKEN_KEYS), f"VEHICLE_TOKEN_KEYS: {KEYS}"),
        (
            not all(each and each > 0 for each in (*CAR_LIMIT, *FAILURE_LIMIT, REMEMBERED_CARS)),
            "CAR_*, FAILURES_* and REMEMBERED_CARS: each is more than 0",
        ),
        (bool(SITES) and SITE not in (SITES or {}), f"SITE: {SITE!r} is not one of SITES"),
    ]
)
