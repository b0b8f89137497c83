"""Makes the suite one: the clock, the sandbox, a clean Redis, and its own last word."""

import gc
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from stripe import HTTPClient
from werkzeug.routing import Rule

from billing import clock
from billing.apps import _publish_first
from tests import running
from tests.postgres.base import remember
from tests.servers import RECORDS
from tests.sharing import Sharing, group

NOW = datetime(2026, 11, 22, 8, 20, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """A fixed instant for what takes the time as an argument."""
    return NOW


class MovableClock:
    """The system's own clock, moved forward through its file."""

    def advance(self, **by: int) -> datetime:
        """Move it by that many days, hours, minutes or seconds and return the new time."""
        from datetime import timedelta

        clock.advance(int(timedelta(**by).total_seconds()))
        return clock.now()


@pytest.fixture
def moving_clock(tmp_path: Path, settings) -> MovableClock:
    """A clock of this test's own."""
    settings.CLOCK_FILE = str(tmp_path / "clock")
    return MovableClock()


@pytest.fixture(scope="session")
def _sites() -> Iterator[dict[str, redis.Redis]]:
    """The lines on which sites are emptied, by their addresses."""
    lines: dict[str, redis.Redis] = {}
    yield lines
    for line in lines.values():
        line.close()


@pytest.fixture(autouse=True)
def _clean_site(_sites: dict[str, redis.Redis]) -> Iterator[None]:
    """Each test meets an empty site: what one test cached says nothing to the next."""
    yield
    for url in django_settings.SITES.values():
        if url not in _sites:
            _sites[url] = redis.Redis.from_url(url)
        _sites[url].flushdb()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """Let a flush itself leave what it has to: see tests.postgres.base."""
    with django_db_blocker.unblock():
        remember(connection)
    post_migrate.disconnect(_publish_first, sender=apps.get_app_config("billing"))
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(dispatch_uid="connectivity.staff.groups")
    post_migrate.disconnect(create_contenttypes)


@pytest.fixture(autouse=True)
def _no_pause_before_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a failed call to Stripe is followed by is tested, not how long it takes."""
    for name in ("INITIAL_DELAY", "MAX_DELAY"):
        monkeypatch.setattr(HTTPClient, name, 0.001)


@pytest.fixture(scope="session", autouse=True)
def _addresses_are_compiled_once() -> Iterator[None]:
    """Each sandbox has the same fifty addresses, and to compile them takes 18 ms of each."""
    compile_builder, compiled = Rule._compile_builder, {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (append_unknown, tuple(rule._trace), repr(rule.defaults))
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, whatever the order: at the end one worker would wait for them.

    And what is `begun_early` is looked at when the other tests of its file are over.
    """
    files = {path: number for number, path in enumerate(dict.fromkeys(each.path for each in items))}
    items.sort(
        key=lambda item: (
            "tests/properties" not in item.nodeid,
            files[item.path],
            item.get_closest_marker("begun_early") is not None,
        )
    )


def pytest_collection_finish() -> None:
    """What is loaded by now stays: looking through it for garbage took a tenth of the suite."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    """See Note [Groups, by the file] in tests/sharing.py."""
    return Sharing(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """In CI a skip is a failure: a machine that lacks a tool proves nothing."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI allows no skip: {report.longrepr}"
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After the last test, over all workers' records: did we speak Stripe's language?"""
    if hasattr(session.config, "workerinput"):
        return
    from tests.contract import verdict

    verdict.give(session, Path(os.environ[RECORDS]))


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Run]:
    """Every process of `make run`, started once for the tests that are marked `processes`."""
    folder = tmp_path_factory.mktemp("system")
    record = {"SANDBOX_RECORD": f"{os.environ[RECORDS]}/{uuid.uuid4()}.jsonl"}
    with running.started(running.fresh_shell(folder) | record) as run:
        _started.append(run)
        yield run


_started: list[running.Run] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Have the system go after the last test of its group, beside the tests that follow."""
    is_over = nextitem is None or group(str(nextitem.path)) != group(str(item.path))
    if _started and is_over and "PYTEST_XDIST_WORKER" in os.environ:
        _started.pop().process.terminate()
