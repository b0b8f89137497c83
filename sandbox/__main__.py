"""`python -m sandbox`: the world outside, on this machine, until it is told to stop."""

import logging
import os
import signal
import sys
import threading

from sandbox.config import StartRefusedError, from_environment
from sandbox.server import serving


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="sandbox: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        config = from_environment(os.environ)
        with serving(config) as running:
            print(
                f"Sandbox at {running.config.public_url}/ (mail by SMTP on port "
                f"{running.config.smtp_port}), no real payment",
                flush=True,
            )
            stop.wait()
    except StartRefusedError as refused:
        print(f"sandbox: {refused}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"sandbox: cannot listen: {error}. Set SANDBOX_PORT and SANDBOX_SMTP_PORT to free "
            "ports, or stop what uses them.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
