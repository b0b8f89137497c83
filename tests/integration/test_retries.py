"""What is stuck is found, told again with patience while the car is there, and put into words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing import clock, grants, queries, subjects
from connectivity.stalls import stalls
from fleet import carlines, contact, delivery, lines, retries, snapshots, tasks
from fleet.models import Delivery, DomainEvent, Vehicle
from tests import staffed
from tests.factories import Car, make_car

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def car() -> Car:
    """A car that was told version 1 at NOW, and shows that it is there all the time."""
    made = make_car()
    delivery.publish("local", now=NOW)
    return made


def there(car: Car, at: datetime) -> None:
    Vehicle.objects.filter(id=car.vehicle.id).update(last_contact_at=at)


def say(car: Car, at: datetime, *, applied: bool) -> None:
    delivery.report(
        delivery.Said(
            vehicle_id=car.vehicle.id,
            generation=1,
            version=queries.version(car.vehicle.id),
            catalog=1,
            applied=applied,
            reason="" if applied else "no memory left",
            at=at,
            received_at=at,
        )
    )


def newest(car: Car) -> Delivery:
    return Delivery.objects.filter(vehicle=car.vehicle).latest("version")


def retried(at: datetime) -> int:
    """What the task does at an instant, publishing included."""
    retries.find(now=at)
    count = sum(retries.retry(stuck, now=at) for stuck in retries.due(now=at))
    delivery.publish("local", now=at)
    return count


def test_what_failed_is_told_again_ever_less_often_and_at_last_no_more(car) -> None:
    at, waits = NOW, []
    for _ in range(Delivery.MOST):
        say(car, at, applied=False)
        failed_at = at
        there(car, at + 40 * DAY)  # in contact whenever it is looked at
        for wait in (MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY):
            assert retried(failed_at + wait - timedelta(seconds=1)) == 0
            at = failed_at + wait
            if retried(at):
                waits.append(wait)
                break
    assert waits == [MINUTE, 10 * MINUTE, HOUR, 6 * HOUR] + [DAY] * 14
    say(car, at, applied=False)
    there(car, at + 400 * DAY)
    assert retried(at + 300 * DAY) == 0
    events = DomainEvent.objects.filter(kind="delivery_retried").order_by("id")
    assert [event.data["retry"] for event in events] == list(range(1, Delivery.MOST + 1))
    [stall] = stalls(at)
    assert (stall.what, stall.count) == ("given_up", 1)
    states = Delivery.objects.order_by("version").values_list("state", flat=True)
    assert list(states) == ["superseded"] * Delivery.MOST + ["failed"]


def test_once_it_is_applied_nothing_is_retried_and_the_next_failure_begins_anew(car) -> None:
    say(car, NOW, applied=False)
    there(car, NOW)
    assert retried(NOW + MINUTE) == 1
    assert newest(car).retries == 1
    say(car, NOW + 2 * MINUTE, applied=True)
    there(car, NOW + DAY)
    assert retried(NOW + DAY) == 0
    assert newest(car).state == "applied"
    subjects.bump([car.vehicle.id], now=NOW)
    delivery.publish("local", now=NOW)
    assert newest(car).retries == 0


def test_a_car_that_is_not_there_is_not_told_again_until_it_is(car) -> None:
    say(car, NOW, applied=False)
    assert retried(NOW + 3 * HOUR) == 0
    there(car, NOW + 3 * HOUR)
    assert retried(NOW + 3 * HOUR) == 1


def test_two_who_retry_the_same_tell_it_once(car) -> None:
    say(car, NOW, applied=False)
    there(car, NOW)
    at = NOW + MINUTE
    [one], [other] = retries.due(now=at), retries.due(now=at)
    assert [retries.retry(one, now=at), retries.retry(other, now=at)] == [True, False]
    assert queries.version(car.vehicle.id) == 2
    assert retries.due(now=at)[0].version == 1, "until the new one is out"
    assert not retries.retry(one, now=at + DAY)


def test_what_changes_anyway_is_not_retried(car) -> None:
    say(car, NOW, applied=False)
    there(car, NOW)
    subjects.bump([car.vehicle.id], now=NOW)
    assert retried(NOW + MINUTE) == 0
    assert queries.version(car.vehicle.id) == 2


@pytest.mark.parametrize(
    ("heard_after", "looked_after", "found"),
    [
        (None, DAY, 0),
        (-MINUTE, DAY, 0),
        (9 * MINUTE, DAY, 0),
        (10 * MINUTE, DAY, 1),
        (59 * MINUTE, 59 * MINUTE, 0),
        (59 * MINUTE, HOUR, 1),
    ],
)
def test_unconfirmed_is_what_a_car_was_told_that_was_there_since(
    car, heard_after, looked_after, found
) -> None:
    if heard_after is not None:
        there(car, NOW + heard_after)
    assert retries.find(now=NOW + looked_after) == found
    assert retries.find(now=NOW + looked_after) == 0, "it is found once"
    assert (newest(car).stuck_at is not None) is bool(found)
    assert newest(car).state == "sent"


def test_the_unconfirmed_is_told_again_too(car) -> None:
    there(car, NOW + HOUR)
    assert retried(NOW + HOUR) == 0
    assert retried(NOW + HOUR + MINUTE) == 1
    assert newest(car).version == 2
    assert DomainEvent.objects.get(kind="delivery_retried").data["was"] == "sent"


def test_the_task_does_it(car) -> None:
    long_ago = clock.now() - DAY
    say(car, long_ago, applied=False)
    contact.note_read([Vehicle.objects.get(id=car.vehicle.id)], now=clock.now())
    tasks.retry_stuck()
    tasks.retry_stuck()
    assert queries.version(car.vehicle.id) == 2


def words(car: Car, at: datetime) -> tuple[str, str, str]:
    vehicle = Vehicle.objects.get(id=car.vehicle.id)
    known = carlines.car_line(vehicle, now=at)
    line = lines.car(known, at)
    return known.state, str(line.headline), str(line.text)


def test_the_owner_is_told_where_it_stands_and_what_to_do(car, settings) -> None:
    grants.give(grants.Gift(car.vehicle.id, "premium", "goodwill", NOW, None), now=NOW)
    there_are = settings.SITES
    settings.SITES = {"local": "redis://localhost:1/0"}
    with pytest.raises(snapshots.SiteAway):
        delivery.publish("local", now=NOW)
    assert words(car, NOW + MINUTE)[0] == "queued"
    state, _, text = words(car, NOW + 2 * MINUTE)
    assert state == "late"
    assert "the fault is ours" in text
    settings.SITES = there_are
    delivery.publish("local", now=NOW)
    there(car, NOW + HOUR)
    retries.find(now=NOW + HOUR)
    state, headline, text = words(car, NOW + 2 * HOUR)
    assert state == "unconfirmed"
    assert "has not confirmed it yet" in headline
    assert newest(car).reference in text
    assert words(car, NOW + 3 * DAY)[0] == "asleep"
    say(car, NOW + 3 * DAY, applied=False)
    assert words(car, NOW + 3 * DAY)[0] == "failed"
    Delivery.objects.update(retries=Delivery.MOST)
    state, _, text = words(car, NOW + 3 * DAY)
    assert state == "given_up"
    assert newest(car).reference in text


@pytest.mark.parametrize("kind", ["away", "unconfirmed", "failed", "given_up"])
def test_staff_find_each_kind(car, kind) -> None:
    changed: dict[str, dict[str, Any]] = {
        "away": {"state": "pending"},
        "unconfirmed": {"stuck_at": NOW},
        "failed": {"stuck_at": NOW, "state": "failed"},
        "given_up": {"stuck_at": NOW, "state": "failed", "retries": Delivery.MOST},
    }
    browser = staffed.sign_in(staffed.make_staff())
    page = f"/admin/fleet/delivery/?stuck={kind}"
    Delivery.objects.update(changed_at=clock.now() - HOUR)
    assert newest(car).reference not in browser.get(page).content.decode()
    Delivery.objects.update(**changed[kind])
    assert newest(car).reference in browser.get(page).content.decode()
