"""What pages may say of the car itself: what it confirmed, by the clock as it goes by it."""

from datetime import UTC, datetime, timedelta

import pytest

from billing import clock, grants, subjects
from billing.models import Grant
from fleet import carlines, delivery, snapshots
from fleet.carlines import CarLine
from fleet.models import Delivery, Vehicle
from tests.factories import Car, make_car

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def car() -> Car:
    """A car that has confirmed that it runs on Standard."""
    made = make_car()
    publish(NOW - 10 * DAY)
    say(made, NOW - 10 * DAY)
    return made


def publish(at: datetime) -> None:
    delivery.publish("local", now=at)


def give(car: Car, starts_at: datetime, ends_at: datetime | None, at: datetime) -> None:
    grants.give(grants.Gift(car.vehicle.id, "premium", "goodwill", starts_at, ends_at), now=at)


def say(car: Car, at: datetime, version: int = 0, applied: bool = True, reason: str = "") -> None:
    """The car's report of a version, the newest by default."""
    newest = subjects.lock(car.vehicle.id).version
    delivery.report(
        delivery.Said(
            vehicle_id=car.vehicle.id,
            generation=1,
            version=version or newest,
            catalog=1,
            applied=applied,
            reason=reason,
            at=at,
            received_at=at,
        )
    )


def line(car: Car, at: datetime = NOW) -> CarLine:
    return carlines.car_line(Vehicle.objects.get(id=car.vehicle.id), now=at)


def contact(car: Car, at: datetime) -> None:
    Vehicle.objects.filter(id=car.vehicle.id).update(last_contact_at=at)


# The way of a change


def test_a_car_that_never_had_a_plan_has_nothing_to_say(car) -> None:
    assert line(car).state == "none"
    assert line(make_car()).state == "none"


def test_from_queued_to_active_each_step_is_said_when_it_is_so(car) -> None:
    give(car, NOW, None, NOW)
    assert line(car).state == "queued"
    publish(NOW)
    contact(car, NOW - timedelta(hours=1))
    sent = line(car)
    assert (sent.state, sent.last_contact_at) == ("sent", NOW - timedelta(hours=1))
    say(car, NOW + timedelta(seconds=5))
    active = line(car, NOW + timedelta(seconds=6))
    assert (active.state, active.since) == ("active", NOW + timedelta(seconds=5))
    assert active.reference == Delivery.objects.get(version=2).reference


def test_while_the_site_is_away_it_is_queued(car, settings) -> None:
    there = settings.SITES
    settings.SITES = {"local": "redis://localhost:1/0"}
    give(car, NOW, None, NOW)
    with pytest.raises(snapshots.SiteAway):
        delivery.publish("local", now=NOW)
    settings.SITES = {"local": there["local"]}
    assert line(car).state == "queued"


@pytest.mark.parametrize(
    ("silent", "state"),
    [
        (timedelta(hours=24), "sent"),
        (timedelta(hours=24, seconds=1), "asleep"),
        (timedelta(days=40), "asleep"),
    ],
)
def test_a_car_that_is_silent_for_a_day_sleeps(car, silent: timedelta, state: str) -> None:
    give(car, NOW, None, NOW)
    publish(NOW)
    contact(car, NOW - silent)
    assert line(car).state == state


def test_a_car_that_was_never_heard_sleeps() -> None:
    car = make_car()
    give(car, NOW, None, NOW)
    publish(NOW)
    assert line(car).state == "asleep"


def test_a_failure_names_what_support_asks_for(car) -> None:
    give(car, NOW, None, NOW)
    publish(NOW)
    say(car, NOW, applied=False, reason="lease_signature")
    failed = line(car)
    assert (failed.state, failed.reason) == ("failed", "lease_signature")
    assert failed.reference == Delivery.objects.get(version=2).reference
    say(car, NOW)
    assert line(car).state == "active"


def test_taking_away_is_said_when_the_car_says_so(car) -> None:
    give(car, NOW - DAY, None, NOW - DAY)
    publish(NOW - DAY)
    say(car, NOW - DAY)
    grants.end(Grant.objects.get().id, actor=None, now=NOW)
    assert line(car).state == "removing"
    publish(NOW)
    assert line(car).state == "removing"
    say(car, NOW + timedelta(seconds=9))
    removed = line(car, NOW + DAY)
    assert (removed.state, removed.since) == ("removed", NOW + timedelta(seconds=9))


def test_what_never_reached_the_car_needs_no_taking_away(car) -> None:
    give(car, NOW, None, NOW)
    publish(NOW)
    grants.end(Grant.objects.get().id, actor=None, now=NOW + DAY)
    publish(NOW + DAY)
    assert line(car, NOW + DAY).state == "none"


def test_a_plan_that_ended_before_it_began_was_never_in_the_car(car) -> None:
    give(car, NOW + DAY, None, NOW)
    publish(NOW)
    say(car, NOW)
    grants.end(Grant.objects.get().id, actor=None, now=NOW)
    publish(NOW)
    say(car, NOW)
    assert line(car, NOW + 2 * DAY).state == "none"


# Before the report, never


def test_it_is_not_active_before_the_report_whatever_else_happens(car) -> None:
    give(car, NOW, None, NOW)
    publish(NOW)
    car.sign_in()
    car.check()
    assert line(car).state != "active"
    say(car, NOW, version=1)
    assert line(car).state != "active"
    say(car, NOW, applied=False)
    assert line(car).state != "active"
    subjects.bump([car.vehicle.id], now=NOW)
    publish(NOW)
    assert line(car).state != "active"
    say(car, NOW, version=2)
    assert line(car).state == "active"


def test_a_plan_that_ran_out_and_is_given_again_is_not_active_by_the_old_report(car) -> None:
    """The car had Premium once, by facts that have ended; it has not heard of the new ones."""
    give(car, NOW - 5 * DAY, NOW - 2 * DAY, NOW - 5 * DAY)
    publish(NOW - 5 * DAY)
    say(car, NOW - 5 * DAY)
    assert line(car, NOW - 3 * DAY).state == "active"
    assert line(car, NOW - DAY).state == "removed"
    give(car, NOW, None, NOW)
    assert line(car).state == "queued"
    publish(NOW)
    assert line(car).state in ("sent", "asleep")
    say(car, NOW + timedelta(minutes=1))
    active = line(car, NOW + DAY)
    assert (active.state, active.since) == ("active", NOW + timedelta(minutes=1))


def test_what_may_have_reached_the_car_without_a_word_is_no_longer_sworn_to(car) -> None:
    """It had Premium, may have been told of its end, and has not heard that it has it again."""
    give(car, NOW - 5 * DAY, None, NOW - 5 * DAY)
    publish(NOW - 5 * DAY)
    say(car, NOW - 5 * DAY)
    grants.end(Grant.objects.get().id, actor=None, now=NOW - DAY)
    publish(NOW - DAY)
    assert line(car).state == "removing"
    give(car, NOW, None, NOW)
    assert line(car).state == "queued"
    publish(NOW)
    assert line(car).state == "asleep"
    say(car, NOW)
    assert line(car).state == "active"


def test_a_plan_that_is_prolonged_stays_active_while_the_old_facts_last(car) -> None:
    give(car, NOW - 5 * DAY, NOW + 5 * DAY, NOW - 5 * DAY)
    publish(NOW - 5 * DAY)
    say(car, NOW - 5 * DAY)
    Grant.objects.update(ends_at=NOW + 35 * DAY)
    subjects.bump([car.vehicle.id], now=NOW)
    publish(NOW)
    still = line(car)
    assert (still.state, still.since) == ("active", NOW - 5 * DAY)
    assert line(car, NOW + 5 * DAY - timedelta(seconds=1)).state == "active"
    assert line(car, NOW + 5 * DAY).state == "asleep", "the car's own facts have run out"
    say(car, NOW + 6 * DAY)
    again = line(car, NOW + 6 * DAY)
    assert (again.state, again.since) == ("active", NOW + 6 * DAY)


# By time alone


def test_time_alone_turns_it_on_and_off_at_the_second(car) -> None:
    second = timedelta(seconds=1)
    give(car, NOW, NOW + DAY, NOW - DAY)
    publish(NOW - DAY)
    say(car, NOW - DAY)
    assert line(car, NOW - second).state == "none"
    begun = line(car, NOW)
    assert (begun.state, begun.since) == ("active", NOW)
    assert line(car, NOW + DAY - second).state == "active"
    ended = line(car, NOW + DAY)
    assert (ended.state, ended.since) == ("removed", NOW + DAY)


def test_a_future_plan_that_the_car_does_not_know_of_is_not_active(car) -> None:
    give(car, NOW, None, NOW - DAY)
    publish(NOW - DAY)
    assert line(car, NOW - timedelta(seconds=1)).state == "none"
    assert line(car, NOW).state == "asleep"


def test_since_when_goes_back_through_versions_without_a_gap(car) -> None:
    give(car, NOW - 5 * DAY, NOW + 5 * DAY, NOW - 5 * DAY)
    publish(NOW - 5 * DAY)
    say(car, NOW - 5 * DAY)
    for day in (3, 2, 1):
        give(car, NOW - day * DAY, NOW + 10 * DAY, NOW - day * DAY)
        publish(NOW - day * DAY)
        say(car, NOW - day * DAY)
    assert line(car).since == NOW - 5 * DAY


@pytest.mark.parametrize(("bought", "state"), [(-1, "removed"), (1, "none")])
def test_what_was_switched_off_for_the_previous_owner_is_not_the_next_ones(
    car, bought: int, state: str
) -> None:
    give(car, NOW - 5 * DAY, NOW - 3 * DAY, NOW - 5 * DAY)
    publish(NOW - 5 * DAY)
    say(car, NOW - 5 * DAY)
    vehicle, since = car.vehicle, NOW - 3 * DAY + timedelta(seconds=bought)
    said = carlines.car_lines([vehicle], now=NOW, owned_since={vehicle.id: since})
    assert line(car).state == "removed"
    assert said[vehicle.id].state == state


# Many


def test_many_cars_cost_as_many_queries_as_one(car, django_assert_num_queries) -> None:
    others = [make_car() for _ in range(20)]
    publish(NOW)
    vehicles = Vehicle.objects.filter(id__in=[each.vehicle.id for each in [car, *others]])
    with django_assert_num_queries(4):
        found = carlines.car_lines(vehicles, now=clock.now(), owned_since={})
    assert len(found) == 21
