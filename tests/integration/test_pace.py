"""The pace: staff slow cars down or stop them, and no car is told anything else about itself."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing import clock
from fleet import pace, snapshots, tasks
from fleet.models import DomainEvent, Pace
from tests import staffed
from tests.factories import make_car, make_user

pytestmark = pytest.mark.django_db
REASON = "The site in Frankfurt is rebuilt; agreed with operations."


@pytest.fixture(autouse=True)
def _first(settings) -> None:
    settings.POLL_SECONDS = 300
    Pace.objects.get_or_create(revision=1, defaults={"seconds": {}})


def change(market: str, seconds: int | None) -> None:
    pace.change(market=market, seconds=seconds, reason=REASON, actor=make_user(), now=clock.now())
    tasks.sweep()


def told(market: str, **headers: str) -> int:
    """In how many seconds a new car of this market is to come back."""
    car = make_car(market=market)
    car.sign_in()
    first = car.check()
    assert first.status_code == 200
    again = car.check()
    assert again.status_code == 304
    for answer in (first, again):
        assert 0.81 < int(answer.headers["Poll-After"]) / int(first.headers["Poll-After"]) < 1.23
    return int(first.headers["Poll-After"])


def near(seconds: int) -> object:
    return pytest.approx(seconds, rel=0.11)


def post(client: Client, row: Pace, **form: object):
    url = reverse("admin:fleet_pace_set", args=[row.pk])
    return client.post(url, {"reason": REASON, **form}, follow=True)


@pytest.mark.django_db(transaction=True)
def test_all_who_change_it_at_once_are_heard() -> None:
    markets = ("DE", "FR", "NL", "NO", "US", "*")
    user = make_user()

    def change_one(market: str) -> None:
        pace.change(market=market, seconds=900, reason=REASON, actor=user, now=clock.now())
        connection.close()

    with ThreadPoolExecutor(len(markets)) as pool:
        list(pool.map(change_one, markets))
    assert pace.current() == (1 + len(markets), dict.fromkeys(markets, 900))


def test_a_market_is_slowed_and_the_others_go_on() -> None:
    change("DE", 3_000)
    assert told("DE") == near(3_000)
    assert told("US") == near(300)
    change("DE", None)
    assert told("DE") == near(300)


def test_all_are_stopped_but_a_market_with_its_own_pace() -> None:
    change("FR", 600)
    change(pace.ALL, pace.STOP)
    assert told("US") == near(6 * 3600)
    assert told("FR") == near(600)


def test_a_stop_changes_nothing_that_a_car_is_told_about_itself() -> None:
    car = make_car()
    car.sign_in()
    before = json.loads(car.call("GET", "/vehicle/v1/entitlement").content)
    change(pace.ALL, pace.STOP)
    after = json.loads(car.call("GET", "/vehicle/v1/entitlement").content)
    assert {**before, "lease": ""} == {**after, "lease": ""}


@pytest.mark.parametrize("seconds", [0, -1, pace.STOP + 1])
def test_what_no_car_can_be_told_is_refused(seconds: int) -> None:
    with pytest.raises(pace.WrongPace):
        change(pace.ALL, seconds)
    assert Pace.objects.count() == 1


@pytest.mark.parametrize(
    "poison", [b"", b"x", b"1 []", b"1 7", b'1 {"*": "soon"}', b'1 {"*": 99999999}', b'1 {"*": 0}']
)
def test_a_poisoned_pace_is_none_until_the_next_sweep(poison: bytes) -> None:
    change(pace.ALL, 3_000)
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        site.set(snapshots.PACE, poison)
        assert told("US") == near(300)
        tasks.sweep()
    assert told("US") == near(3_000)


def test_an_older_pace_never_replaces_a_newer_one() -> None:
    change(pace.ALL, 3_000)
    snapshots.write_pace("local", 1, {})
    assert told("US") == near(3_000)


def test_a_member_of_staff_sets_it_with_a_reason_and_it_is_on_record() -> None:
    client = staffed.sign_in(staffed.make_staff("Fleet"))
    row = Pace.objects.get()
    assert post(client, row, market="de", how="slow", seconds=900).status_code == 200
    newest = Pace.objects.order_by("-revision").first()
    assert newest is not None
    assert (newest.revision, newest.seconds, newest.reason) == (2, {"DE": 900}, REASON)
    event = DomainEvent.objects.get(kind="pace_changed")
    assert event.data == {"market": "DE", "seconds": 900, "reason": REASON}
    assert event.actor == newest.actor
    post(client, newest, market="", how="stop")
    assert pace.current() == (3, {"DE": 900, "*": pace.STOP})


def test_a_form_without_what_it_needs_changes_nothing() -> None:
    client = staffed.sign_in(staffed.make_staff("Fleet"))
    row = Pace.objects.get()
    for form in (
        {"how": "slow"},
        {"how": "slow", "seconds": 0},
        {"how": "stop", "market": "D1"},
    ):
        assert "errorlist" in post(client, row, **form).content.decode()
    post(client, row, how="stop", reason="short")
    assert Pace.objects.count() == 1


def test_only_the_newest_can_be_gone_on_from() -> None:
    client = staffed.sign_in(staffed.make_staff("Fleet"))
    change("DE", 900)
    post(client, Pace.objects.get(revision=1), how="stop")
    assert pace.current() == (2, {"DE": 900})


@pytest.mark.parametrize("group", ["Support", "Billing", "Auditor"])
def test_who_may_not_set_it_does_not(group: str) -> None:
    client = staffed.sign_in(staffed.make_staff(group))
    assert post(client, Pace.objects.get(), how="stop").status_code == 403
    assert Pace.objects.count() == 1


def test_without_a_second_factor_nobody_sets_it() -> None:
    client = staffed.sign_in(staffed.make_staff("Fleet"), shown_ago=None)
    post(client, Pace.objects.get(), how="stop")
    assert Pace.objects.count() == 1
