"""The adapter for Stripe's own test mode, tried on a sandbox that is reached as Stripe is."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from tests.journeys import remote
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.remote import Account, LiveKey, RemoteWorld
from tests.journeys.telling import STANDARD, Given, at, fact, premium
from tests.running import ROOT, free_port, soon
from tests.servers import RECORDS

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
STARTED = ["checkout_started", "grant_given", "subscription_active"]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """A sandbox in a process of its own, whose wall clock knows nothing of the journey's time."""
    port = free_port()
    environ = os.environ | {
        "SANDBOX_DATA_DIR": f"{tmp_path}/sandbox",
        "SANDBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": str(free_port()),
        "CLOCK_FILE": f"{tmp_path}/never-moved",
        "SANDBOX_RECORD": f"{os.environ[RECORDS]}/{uuid.uuid4()}.jsonl",
    }
    process = subprocess.Popen([sys.executable, "-m", "sandbox"], cwd=ROOT, env=environ)
    base = f"http://localhost:{port}"
    try:
        assert soon(lambda: process.poll() is None and answers(base)), "The sandbox does not start."
        yield Account("sk_test_sandbox", base, quiet=1, pause=0)
    finally:
        process.terminate()
        process.wait(10)


def answers(base: str) -> bool:
    """Whether it takes calls."""
    try:
        return requests.get(f"{base}/livez", timeout=1).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def world(transactional_db, account: Account, tmp_path: Path) -> Iterator[RemoteWorld]:
    """The world of the journeys, with that account for its Stripe."""
    with remote.opened(account, at=BEGIN, clock_file=tmp_path / "clock") as world:
        world.settle()
        yield world


@pytest.fixture
def paying(journey: Journey) -> Journey:
    """A month is paid."""
    journey.subscribes(MONTHLY)
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    return journey


def test_renewal_by_a_test_clock(paying: Journey, account: Account) -> None:
    [customer] = account.call("GET", "/v1/customers")["data"]
    assert customer["test_clock"]

    paying.at_boundary(APRIL, before="premium", after="premium")
    paying.expect()
    paying.at_boundary(APRIL + DRAFT, before="premium", after="premium")
    paying.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_cancel_at_period_end_by_a_test_clock(paying: Journey) -> None:
    paying.goes_to(at("2027-03-10 12:00"))
    paying.cancels()
    paying.expect(
        events=[fact("renewal_stopped", paid_through=APRIL), fact("grant_changed", ends_at=APRIL)],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )

    paying.at_boundary(APRIL, before="premium", after="standard")
    paying.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)


def test_car_sold_with_webhooks_late_and_shuffled(paying: Journey) -> None:
    sold = at("2027-03-16 09:00")
    paying.goes_to(sold)
    paying.world.webhooks.hold()
    paying.owner.releases(paying.car)
    paying.world.webhooks.deliver(order=lambda waiting: list(reversed(waiting)), times=2)
    paying.world.webhooks.flow()
    paying.world.settle()

    paying.expect(
        events=[
            "seat_vacated",
            fact("refunded", amount=517),
            "subscription_canceled",
            "vehicle_released",
        ],
        mails=["refunded", "vehicle_released"],
        refunds=["$5.17"],
        grants=[Given("subscription", BEGIN, sold)],
        car=STANDARD,
    )
    [subscription] = Dashboard(paying.world).all("subscriptions?status=all")
    assert subscription["status"] == "canceled"


def test_what_stripe_cannot_be_told_skips_the_journey(world: RemoteWorld) -> None:
    with pytest.raises(pytest.skip.Exception, match="Only the sandbox"):
        world.sandbox.faults.plant("error")
    with pytest.raises(pytest.skip.Exception, match="Only the sandbox"):
        Dashboard(world).controls("settings", retry_days="3")


@pytest.mark.parametrize("key", ["sk_live_51abc", "rk_live_51abc", ""])
def test_a_key_that_moves_real_money_is_refused(key: str) -> None:
    with pytest.raises(LiveKey, match="sk_test_"):
        Account(key)
