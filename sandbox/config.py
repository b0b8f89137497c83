"""Reads the sandbox's environment and refuses what would let strangers in."""

import dataclasses
import ipaddress
from collections.abc import Mapping
from pathlib import Path


class StartRefusedError(Exception):
    """The environment asks for something that the sandbox must not do; the text says what to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Where one sandbox keeps its data, listens and sends its webhooks."""

    data_dir: Path
    clock_file: Path
    host: str = "127.0.0.1"
    port: int = 8002
    smtp_port: int = 8025
    webhook_url: str | None = None
    webhook_secret: str | None = None
    record: Path | None = None
    # Whether what was committed outlives a power cut; where nobody would miss it, that is slow.
    durable: bool = True

    @property
    def public_url(self) -> str:
        """The origin at which a browser on this machine finds the sandbox's pages."""
        return f"http://localhost:{self.port}"


def from_environment(environ: Mapping[str, str]) -> Config:
    """The configuration that the environment names.

    Raises StartRefusedError with a sentence on what to change.
    """
    data_dir = Path(environ.get("SANDBOX_DATA_DIR") or "var/sandbox").resolve()
    port = _port(environ, "SANDBOX_PORT", 8002)
    record = environ.get("SANDBOX_RECORD")
    config = Config(
        data_dir=data_dir,
        clock_file=Path(environ.get("CLOCK_FILE") or data_dir.parent / "clock"),
        host=environ.get("SANDBOX_HOST") or "127.0.0.1",
        port=port,
        smtp_port=_port(environ, "SANDBOX_SMTP_PORT", port + 23),
        webhook_url=environ.get("SANDBOX_WEBHOOK_URL") or None,
        webhook_secret=environ.get("SANDBOX_WEBHOOK_SECRET") or None,
        record=Path(record) if record else None,
    )
    refuse_danger(config)
    return config


def refuse_danger(config: Config) -> None:
    """Raise StartRefusedError if other machines could come in, or a setting is half given."""
    if not _is_loopback(config.host):
        raise StartRefusedError(
            f"The sandbox takes no real payments and asks nobody who they are, so it listens on "
            f"loopback only, not on {config.host}. Unset SANDBOX_HOST or set it to 127.0.0.1."
        )
    if bool(config.webhook_url) != bool(config.webhook_secret):
        raise StartRefusedError(
            "SANDBOX_WEBHOOK_URL and SANDBOX_WEBHOOK_SECRET belong together: set both or neither."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise StartRefusedError(f"{name} is {text!r}: set it to a port number from 1 to 65535.")
    return int(text)
