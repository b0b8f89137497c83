"""An offer to pass a car on: who may make, take back and answer it, and what two at once do."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.core import mail
from django.db import connections
from django.test import Client

from billing import clock
from connectivity.notices.tasks import sweep as tell
from fleet import garage, pairing, transfers
from fleet.models import Claim, Ownership, Transfer, Vehicle
from fleet.vin import Vin
from tests.factories import Car, make_car, make_user
from tests.integration.test_garage_pages import browser_of, page, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    """After the ownership has begun, which ends in these tests."""
    return clock.now() + timedelta(hours=1)


@pytest.fixture
def seller():
    return make_user("seller@example.com")


@pytest.fixture
def buyer():
    return make_user("buyer@example.com")


@pytest.fixture
def car(seller) -> Car:
    return make_car(seller)


def offer(car, seller, now, email="buyer@example.com") -> Transfer:
    return transfers.offer(owner=seller, vehicle_id=car.vehicle.id, email=email, now=now)


def owners(car) -> list[str]:
    now_theirs = Ownership.objects.filter(vehicle=car.vehicle, ends_at=None)
    return [each.owner.email for each in now_theirs]


def states(car) -> list[str]:
    return list(Transfer.objects.order_by("id").values_list("state", flat=True))


def link(offered: Transfer) -> str:
    return f"/garage/offers/{transfers.token(offered)}/"


def test_only_the_owner_offers_and_only_once_at_a_time(car, seller, buyer, now) -> None:
    with pytest.raises(garage.NotInGarage):
        offer(car, buyer, now, "else@example.com")
    with pytest.raises(transfers.ToOneself):
        offer(car, seller, now, " Seller@Example.com")
    offer(car, seller, now)
    with pytest.raises(transfers.OfferedAlready):
        offer(car, seller, now, "else@example.com")
    assert offer(car, seller, now + transfers.LIFETIME, "else@example.com").state == "open"
    assert states(car) == ["expired", "open"]


def test_nobody_mails_the_world_in_our_name(car, seller, now) -> None:
    for number in range(transfers.MOST_A_DAY):
        offer(car, seller, now, f"buyer{number}@example.com")
        transfers.take_back(owner=seller, vehicle_id=car.vehicle.id, now=now)
    with pytest.raises(transfers.TooMany):
        offer(car, seller, now)
    assert offer(car, seller, now + timedelta(days=1))


def test_the_link_is_good_until_its_last_second_and_once(car, seller, buyer, now) -> None:
    offered = offer(car, seller, now)
    over = now + transfers.LIFETIME
    with pytest.raises(transfers.NotOnOffer):
        transfers.accept(transfer=offered, buyer=buyer, now=over)
    assert owners(car) == ["seller@example.com"]
    transfers.accept(transfer=offered, buyer=buyer, now=over - timedelta(seconds=1))
    assert owners(car) == ["buyer@example.com"]
    for act in (
        lambda: transfers.accept(transfer=offered, buyer=make_user(), now=now),
        lambda: transfers.decline(transfer=offered, actor=None, now=now),
    ):
        with pytest.raises(transfers.NotOnOffer):
            act()
    assert transfers.expire(now=over) == 0
    assert states(car) == ["accepted"]


def test_what_runs_out_is_told_to_both_and_forgotten_after_a_month(car, seller, now) -> None:
    offer(car, seller, now)
    tell()
    mail.outbox.clear()
    assert transfers.expire(now=now + transfers.LIFETIME - timedelta(seconds=1)) == 0
    ended = now + transfers.LIFETIME
    assert transfers.expire(now=ended) == 1
    tell()
    assert [(each.to, each.subject) for each in mail.outbox] == [
        (["seller@example.com"], "Your Model 3 stays yours"),
        (["buyer@example.com"], "The Model 3 is no longer offered to you"),
    ]
    transfers.forget(now=ended + transfers.REMEMBERED - timedelta(seconds=1))
    assert Transfer.objects.get().email == "buyer@example.com"
    transfers.forget(now=ended + transfers.REMEMBERED)
    assert Transfer.objects.get().email == ""


def test_a_cut_or_invented_link_opens_nothing(car, seller, buyer, now) -> None:
    good = link(offer(car, seller, clock.now()))
    assert Client().get(good).status_code == 200
    for bad in (good[:-3] + "/", "/garage/offers/1/", "/garage/offers/1:x/"):
        answer = browser_of(buyer).post(bad, {"accept": "yes"})
        assert answer.status_code == 410
        assert "This link is not one of ours" in text(answer)
    # Who has not signed in accepts nothing, and the seller not their own.
    assert Client().post(good, {"accept": "yes"}).status_code == 302
    assert browser_of(seller).post(good, {"accept": "yes"}).headers["Location"] == page(car)
    assert "This is your own offer" in text(browser_of(seller).get(good))
    assert owners(car) == ["seller@example.com"]


def test_the_form_says_what_is_wrong(car, seller) -> None:
    browser = browser_of(seller)
    for typed, said in (("nobody", "valid email"), ("seller@example.com", "your own address")):
        answer = browser.post(page(car, "transfer"), {"email": typed})
        assert answer.status_code == 422
        assert said in text(answer)
    assert not Transfer.objects.exists()
    assert browser_of(make_user()).get(page(car, "transfer")).status_code == 404
    assert browser_of(make_user()).post(page(car, "take_back")).status_code == 404


def test_an_offer_ends_when_the_car_goes_another_way(car, seller, buyer, now) -> None:
    offered = offer(car, seller, now)
    tell()
    mail.outbox.clear()
    garage.release(owner=seller, vehicle_id=car.vehicle.id, now=now)
    with pytest.raises(transfers.NotOnOffer):
        transfers.accept(transfer=offered, buyer=buyer, now=now)
    assert (states(car), owners(car)) == (["ended"], [])
    tell()
    assert "The Model 3 is no longer offered to you" in [each.subject for each in mail.outbox]


def test_claims_are_settled_with_it(car, seller, buyer, now) -> None:
    """The buyer who typed in the code as well has the car; nobody else's claim stays open."""
    for who in (buyer, make_user()):
        code = pairing.issue(car.vehicle, now=now).user_code
        garage.add(owner=who, vin=Vin.parse(car.vehicle.vin), code=code, now=now)
    transfers.accept(transfer=offer(car, seller, now), buyer=buyer, now=now)
    assert list(Claim.objects.order_by("id").values_list("state", flat=True)) == [
        "granted",
        "refused",
    ]


def at_once(*acts: Callable[[], object]) -> list[str]:
    """What becomes of acts that begin at the same moment."""
    gate, outcomes = Barrier(len(acts)), []

    def run(act) -> None:
        gate.wait(10)
        try:
            outcomes.append("done" if act() is not False else "nothing")
        except (transfers.NotOnOffer, garage.NotInGarage) as error:
            outcomes.append(type(error).__name__)
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(outcomes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", ["take_back", "decline", "release", "accept"])
def test_of_two_at_once_one_wins(car, seller, buyer, now, other) -> None:
    offered = offer(car, seller, now)
    stranger = make_user("stranger@example.com")
    vehicle_id = car.vehicle.id
    acts = {
        "take_back": lambda: transfers.take_back(owner=seller, vehicle_id=vehicle_id, now=now),
        "decline": lambda: transfers.decline(transfer=offered, actor=None, now=now),
        "release": lambda: garage.release(owner=seller, vehicle_id=vehicle_id, now=now),
        "accept": lambda: transfers.accept(transfer=offered, buyer=stranger, now=now),
    }

    outcomes = at_once(
        lambda: transfers.accept(transfer=offered, buyer=buyer, now=now), acts[other]
    )

    assert outcomes.count("done") == 1, outcomes
    assert len(outcomes) == 2
    found = Transfer.objects.get()
    expected = {
        "accepted": [found.buyer.email] if found.buyer else ["nobody"],
        "taken_back": ["seller@example.com"],
        "declined": ["seller@example.com"],
        "ended": [],
    }
    assert owners(car) == expected[found.state]
    assert Vehicle.objects.get().ownerships.count() == (2 if found.buyer else 1)
