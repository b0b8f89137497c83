"""Additional drivers see the car and nothing of money, for no longer than its owner has it."""

import re
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.core import mail
from django.db import connections
from django.test import Client
from django.urls import reverse

from billing import clock
from connectivity.accounts import closing
from connectivity.notices.tasks import sweep as tell
from fleet import drivers, garage, transfers
from fleet.models import Driver
from tests.factories import Car, make_car, make_user
from tests.integration.test_garage_pages import browser_of, page, subscribe, text

pytestmark = pytest.mark.django_db
LINK = re.compile(r"/garage/invitations/\S+")


@pytest.fixture
def now():
    """After the ownership has begun, which ends in these tests."""
    return clock.now() + timedelta(hours=1)


@pytest.fixture
def owner():
    return make_user("owner@example.com")


@pytest.fixture
def driver():
    return make_user("driver@example.com")


@pytest.fixture
def car(owner) -> Car:
    return make_car(owner)


def invite(car, owner, now, email="driver@example.com") -> Driver:
    return drivers.invite(owner=owner, vehicle_id=car.vehicle.id, email=email, now=now)


def seat(car, owner, driver, now) -> Driver:
    invited = invite(car, owner, now, driver.email)
    drivers.join(driver=invited, person=driver, now=now)
    return invited


def letters() -> list[tuple[str, str]]:
    """Who is told what, since the last time."""
    mail.outbox.clear()
    tell()
    return sorted((each.to[0], str(each.subject)) for each in mail.outbox)


def driven(car) -> str:
    return reverse("garage:driven", args=[car.vehicle.id])


def link(invited: Driver) -> str:
    return f"/garage/invitations/{drivers.token(invited)}/"


def states() -> list[str]:
    return list(Driver.objects.order_by("id").values_list("state", flat=True))


def test_invited_by_mail_and_joined_by_the_link_then_gone_by_either_hand(car, owner) -> None:
    hers, his = browser_of(owner), Client()
    assert f'href="{page(car, "drivers")}"' in text(hers.get(page(car)))
    shown = text(hers.post(page(car, "drivers"), {"email": "Driver@Example.com"}, follow=True))
    assert "Invited, can accept until" in shown
    assert letters() == [("driver@example.com", "You are invited to drive a Model 3")]
    found = LINK.search(str(mail.outbox[0].body))
    assert found
    shown = text(his.get(found[0]))
    assert "owner@example.com invites you" in shown
    assert f"/accounts/signup/?next={found[0]}" in shown
    assert his.post(found[0], {"accept": "yes"}).status_code == 302  # Not without an account.
    assert states() == ["invited"]

    driver = make_user("driver@example.com")
    his = browser_of(driver)
    shown = text(his.post(found[0], {"accept": "yes"}, follow=True))
    assert "You drive this car; it belongs to owner@example.com." in shown
    assert driven(car) in text(his.get("/garage/"))
    assert "Drives this car" in text(hers.get(page(car, "drivers")))
    assert letters() == [
        ("driver@example.com", "You drive a Model 3"),
        ("owner@example.com", "driver@example.com drives your Model 3"),
    ]

    shown = text(his.post(reverse("garage:leave_car", args=[car.vehicle.id]), follow=True))
    assert "You no longer see this car." in shown
    assert driven(car) not in shown
    assert his.get(driven(car)).status_code == 404
    assert letters() == [
        ("driver@example.com", "You no longer drive the Model 3"),
        ("owner@example.com", "driver@example.com no longer drives your Model 3"),
    ]

    again = seat(car, owner, driver, clock.now())
    letters()
    hers.post(reverse("garage:remove_driver", args=[car.vehicle.id, again.pk]))
    assert his.get(driven(car)).status_code == 404
    assert his.post(link(again), {"accept": "yes"}).status_code == 410
    assert [who for who, _ in letters()] == ["driver@example.com", "owner@example.com"]
    assert states() == ["left", "removed"]


def test_a_driver_sees_the_car_and_nothing_of_money_or_keys(car, owner, driver, now) -> None:
    subscribe(car, owner)
    seat(car, owner, driver, now)
    browser = browser_of(driver)
    shown = text(browser.get(driven(car))).partition("<main")[2].partition("</main>")[0]
    assert "Live traffic" in shown
    assert car.vehicle.vin not in shown
    assert "$" not in shown
    assert not re.search(r"charge|invoice|card\b|Cancel|renew", shown)
    assert re.findall(r'action="([^"]+)"', shown) == [f"{driven(car)}leave/"]
    names = "car status subscribe cancel keep portal switch withdraw release learning transfer"
    for name in (*names.split(), "take_back", "drivers"):
        for answer in (browser.get(page(car, name)), browser.post(page(car, name), {})):
            assert answer.status_code in (404, 405), name
    assert browser.get("/billing/invoices/").status_code == 200
    assert "$" not in text(browser.get("/billing/invoices/"))
    assert browser_of(make_user()).get(driven(car)).status_code == 404


def test_five_at_most_and_each_once(car, owner, now) -> None:
    for number in range(drivers.MOST):
        invited = invite(car, owner, now, f"driver{number}@example.com")
    with pytest.raises(drivers.InvitedAlready):
        invite(car, owner, now, "driver0@example.com")
    with pytest.raises(drivers.Full):
        invite(car, owner, now)
    with pytest.raises(drivers.ToOneself):
        invite(car, owner, now, "owner@example.com")
    with pytest.raises(garage.NotInGarage):
        invite(car, make_user(), now)
    drivers.remove(owner=owner, vehicle_id=car.vehicle.id, driver_id=invited.pk, now=now)
    assert invite(car, owner, now)
    shown = text(browser_of(owner).get(page(car, "drivers")))
    assert "A car can have 5 additional drivers." in shown
    assert 'name="email"' not in shown


def test_nobody_mails_the_world_in_our_name(car, owner, now) -> None:
    for number in range(drivers.MOST_A_DAY):
        made = invite(car, owner, now, f"driver{number}@example.com")
        drivers.remove(owner=owner, vehicle_id=car.vehicle.id, driver_id=made.pk, now=now)
    with pytest.raises(drivers.TooMany):
        invite(car, owner, now)
    assert invite(car, owner, now + timedelta(days=1))


def test_an_invitation_runs_out_and_its_address_is_forgotten(car, owner, driver, now) -> None:
    invited = invite(car, owner, now)
    letters()
    over = now + drivers.LIFETIME
    with pytest.raises(drivers.NotInvited):
        drivers.join(driver=invited, person=driver, now=over)
    assert drivers.expire(now=over - timedelta(seconds=1)) == 0
    assert drivers.expire(now=over) == 1
    assert [who for who, _ in letters()] == ["driver@example.com", "owner@example.com"]
    drivers.forget(now=over + drivers.REMEMBERED)
    assert Driver.objects.get().email == ""


def test_who_is_asked_may_decline_without_an_account(car, owner, now) -> None:
    invited = invite(car, owner, clock.now())
    letters()
    assert "You have declined" in text(Client().post(link(invited), {"decline": "yes"}))
    assert letters() == [("owner@example.com", "driver@example.com does not drive your Model 3")]
    answer = Client().get("/garage/invitations/1:x/")
    assert answer.status_code == 410


def released(car, owner, now) -> None:
    garage.release(owner=owner, vehicle_id=car.vehicle.id, now=now)


def passed_on(car, owner, now) -> None:
    offer = transfers.offer(
        owner=owner, vehicle_id=car.vehicle.id, email="buyer@example.com", now=now
    )
    transfers.accept(transfer=offer, buyer=make_user("buyer@example.com"), now=now)


def closed(_car, owner, now) -> None:
    closing.start(user=owner, now=now)


@pytest.mark.parametrize("end", [released, passed_on, closed])
def test_all_of_it_ends_with_the_ownership(car, owner, driver, now, end) -> None:
    seat(car, owner, driver, now)
    waiting = invite(car, owner, now, "other@example.com")
    letters()

    end(car, owner, now)

    assert states() == ["ended", "ended"]
    assert browser_of(driver).get(driven(car)).status_code == 404
    with pytest.raises(drivers.NotInvited):
        drivers.join(driver=waiting, person=make_user(), now=now)
    told = letters()
    assert ("driver@example.com", "You no longer drive the Model 3") in told
    assert ("other@example.com", "The invitation to drive a Model 3 is over") in told
    assert not [subject for _, subject in told if "does not drive" in subject]


def test_a_driver_whose_account_closes_drives_no_more(car, owner, driver, now) -> None:
    seat(car, owner, driver, now)
    closing.start(user=driver, now=now)
    assert states() == ["left"]


@pytest.mark.django_db(transaction=True)
def test_at_once_there_are_never_six(car, owner, now) -> None:
    for number in range(drivers.MOST - 1):
        invite(car, owner, now, f"driver{number}@example.com")
    gate, outcomes = Barrier(3), []

    def run(number: int) -> None:
        gate.wait(10)
        try:
            invite(car, owner, now, f"late{number}@example.com")
            outcomes.append("done")
        except drivers.Full:
            outcomes.append("full")
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["done", "full", "full"]
    assert len(drivers.of(car.vehicle, now=now)) == drivers.MOST
