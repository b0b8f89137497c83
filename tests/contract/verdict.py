"""The suite's last word: all that was said to and by the sandbox, held against Stripe's shapes."""

import os
from pathlib import Path

import pytest

from tests.contract import operations, recorded

ENOUGH = 200  # exchanges that a whole run of the suite has at the least


def give(session: pytest.Session, folder: Path) -> None:
    """Check every record in `folder` and fail the session on a finding.

    With WHOLE_SUITE set (as `make test` sets it), also on too few exchanges or on an operation that
    billing.gateway uses and no test went through.
    """
    report = recorded.check(folder)
    problems = list(report.findings)
    if os.environ.get("WHOLE_SUITE"):
        if report.exchanges < ENOUGH:
            problems.append(f"only {report.exchanges} exchanges were recorded, not {ENOUGH}")
        unseen = operations.used_by_gateway() - report.operations
        problems += [f"no test went through {method} {path}" for method, path in sorted(unseen)]
    if report.exchanges:
        _say(
            session,
            f"Stripe contract: {report.exchanges} exchanges, {report.events} events, "
            f"{len(problems)} findings",
            problems[:40],
        )
    if problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _say(session: pytest.Session, headline: str, problems: list[str]) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_sep("=", headline, red=bool(problems), green=not problems)
        for problem in problems:
            reporter.write_line(problem)
