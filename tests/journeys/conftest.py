"""Begins each journey: a world of its own, an owner and a car in it, and an end without a rest."""

import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys import remote
from tests.journeys.journey import Journey
from tests.journeys.telling import at
from tests.journeys.world import World, opened
from tests.servers import RECORDS

BEGIN = at("2027-03-01 09:00")
_passed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Note whether the test itself passed: a journey that broke off owes no account of its rest."""
    report = yield
    if report.when == "call":
        item.stash[_passed] = report.passed
    return report


@pytest.fixture
def world(transactional_db, tmp_path: Path) -> Iterator[World]:
    """The product and a Stripe of this test's own, on 1 March 2027 at nine.

    With JOURNEYS_STRIPE_KEY it is Stripe's own test mode: see docs/testing.md.
    """
    if key := os.environ.get(remote.KEY):
        with remote.opened(remote.Account(key), at=BEGIN, clock_file=tmp_path / "clock") as far:
            far.settle()
            yield far
        return
    record = Path(os.environ[RECORDS]) / f"{uuid.uuid4()}.jsonl"
    with opened(tmp_path, at=BEGIN, record=record) as world:
        yield world


@pytest.fixture
def journey(world: World, request: pytest.FixtureRequest) -> Iterator[Journey]:
    """An owner with a car that has nothing but Standard."""
    journey = Journey(world)
    logging.getLogger().addHandler(journey.teller)
    try:
        yield journey
        if request.node.stash.get(_passed, False):
            journey.expect()
    finally:
        logging.getLogger().removeHandler(journey.teller)
