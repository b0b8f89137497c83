"""Decides which command line each process of `make run` has; must never start one."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connectivity.local.environment import Ports
from connectivity.local.process import Program, mark, set_aside

# How the edge is served, wherever: see docs/decisions/0015-the-check-at-wire-speed.md.
EDGE = (
    *("connectivity.edge:application", "--http", "connectivity.guarded:Guarded"),
    *("--loop", "uvloop", "--no-access-log", "--no-date-header", "--no-server-header"),
    # A handshake is answered like any other request: a car has no use for one.
    *("--ws", "none"),
    # Whose request it is, fleet.api.check reads itself, and only if it is refused.
    *("--no-proxy-headers", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "3"),
)

# Tells the preparation that the database is started beside it. Somebody else's runs already: who
# has mistyped its address should not wait to hear so.
STARTING = "--database-is-starting"


@dataclass(frozen=True)
class Programs:
    """The product's processes and the world outside, for one data directory."""

    root: Path
    data_dir: Path
    ports: Ports
    with_sandbox: bool
    # What the person's own shell holds, and what holds for this run.
    given: Mapping[str, str]
    effective: Mapping[str, str]

    def prepare(self) -> Program:
        """Migrates, loads the demo's people and cars, and ends."""
        starting = () if "DATABASE_URL" in self.given else (STARTING,)
        return self._product("prepare", "connectivity.local.prepare", *starting)

    def web(self) -> Program:
        """People."""
        return self._product(
            "web",
            *("gunicorn", "connectivity.wsgi:application", "--no-control-socket"),
            # No header may say where the site begins or which page is meant.
            *("--forwarder-headers", ""),
            *("--bind", f"127.0.0.1:{self.ports.web}", "--graceful-timeout", "3"),
            # Loaded once for both workers: at a start, loading Django is what takes the time.
            *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--preload"),
        )

    def edge(self) -> Program:
        """Cars."""
        return self._product(
            "edge",
            *("uvicorn", *EDGE, "--host", "127.0.0.1", "--port", str(self.ports.edge)),
        )

    def worker(self) -> Program:
        """Celery's tasks; alone here, it has no neighbours to gossip with."""
        return self._product(
            "worker",
            *("celery", "-A", "connectivity", "worker", "--loglevel", "INFO"),
            *("--concurrency", "2", "--without-gossip", "--without-mingle"),
        )

    def beat(self) -> Program:
        """Celery's schedule."""
        schedule = self.data_dir / "beat" / "schedule"
        schedule.parent.mkdir(mode=0o700, exist_ok=True)
        return self._product(
            "beat",
            *("celery", "-A", "connectivity", "beat", "--loglevel", "INFO"),
            *("--schedule", str(schedule), "--pidfile", ""),
        )

    def sandbox(self) -> Program:
        """Stripe, and the mailbox."""
        return self._outside("sandbox", "sandbox")

    def car(self) -> Program:
        """One car on the road."""
        return self._outside("car", "sandbox.car")

    def _product(self, name: str, *arguments: str) -> Program:
        # The preparation asks the sandbox's car for its papers.
        own = self._sandbox_environment() if name == "prepare" and self.with_sandbox else {}
        return self._program(name, arguments, {**self.effective, **own})

    def _outside(self, name: str, *arguments: str) -> Program:
        # The world outside gets addresses and the clock, and none of the product's secrets.
        return self._program(name, arguments, self._sandbox_environment())

    def _sandbox_environment(self) -> dict[str, str]:
        sandbox = self.data_dir / "sandbox"
        return {
            "CLOCK_FILE": self.effective["CLOCK_FILE"],
            "SANDBOX_DATA_DIR": str(sandbox),
            "SANDBOX_PORT": str(self.ports.sandbox),
            "SANDBOX_SMTP_PORT": str(self.ports.smtp),
            "SANDBOX_WEBHOOK_URL": f"http://localhost:{self.ports.web}/billing/webhook/",
            "SANDBOX_WEBHOOK_SECRET": self.effective["STRIPE_WEBHOOK_SECRETS"].split(",")[0],
            "CAR_DATA_DIR": str(sandbox / "car"),
            # A request that is held does not notice when somebody moves the clock.
            "CAR_WAIT": "2",
            "EDGE_URL": f"http://localhost:{self.ports.edge}",
        }

    def _program(self, name: str, arguments: tuple[str, ...], own: Mapping[str, str]) -> Program:
        log = self.data_dir / "log" / f"{name}.log"
        set_aside(log)
        temporary = self.data_dir / "tmp"
        temporary.mkdir(mode=0o700, exist_ok=True)
        always = {
            **mark(self.data_dir),
            "PYTHONUNBUFFERED": "1",
            # Nothing is written outside the data directory, passing things included.
            "TMPDIR": str(temporary),
            # All that they call is on this machine, where a company's proxy cannot reach.
            "NO_PROXY": ",".join(filter(None, [self.given.get("NO_PROXY"), "localhost,127.0.0.1"])),
        }
        given = dict(self.given)
        if given.pop("PYTHONDONTWRITEBYTECODE", None):
            # Six processes that compile all of Django at each start would make a slow one; who
            # wants no compiled files beside the source gets them in the data directory.
            always["PYTHONPYCACHEPREFIX"] = str(self.data_dir / "pycache")
        return Program(
            name=name,
            argv=(sys.executable, "-m", *arguments),
            env={**given, **own, **always},
            cwd=self.root,
            log=log,
        )
