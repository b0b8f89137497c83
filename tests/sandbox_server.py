"""Runs a sandbox in threads of the test's own process."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from sandbox.config import Config
from sandbox.server import Running, serving


@dataclasses.dataclass(frozen=True)
class SandboxServer:
    """A sandbox that answers at `url` and takes mail at `smtp_port`."""

    url: str
    smtp_port: int
    data_dir: Path
    running: Running


@contextlib.contextmanager
def running_sandbox(
    data_dir: Path,
    *,
    clock_file: Path,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    record: Path | None = None,
    port: int = 0,
) -> Iterator[SandboxServer]:
    """A sandbox on ports of the system's choice; with the same folder, it goes on where it was."""
    config = Config(
        data_dir=data_dir,
        clock_file=clock_file,
        port=port,
        smtp_port=0,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        record=record,
        durable=False,
    )
    with serving(config, poll=0.01) as running:
        yield SandboxServer(
            url=f"http://127.0.0.1:{running.config.port}",
            smtp_port=running.config.smtp_port,
            data_dir=data_dir,
            running=running,
        )
