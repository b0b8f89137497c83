"""Fleet learning: off until its owner allows it, in the car only when the car says so, and over
with the ownership.
"""

import hashlib
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from django.core import mail

from billing import clock, queries
from connectivity.accounts import closing
from connectivity.notices.tasks import sweep as tell
from fleet import consents, delivery, garage, learning, pairing, rows, snapshots
from fleet.models import Claim, Consent, DomainEvent, Vehicle
from fleet.vin import Vin
from tests.factories import body, make_car, make_user
from tests.integration.test_garage_pages import browser_of, page, text

pytestmark = pytest.mark.django_db
WORDS = Path(__file__).parents[2] / "templates" / "garage" / "learning_text.html"
# A version is one wording for ever: who changes the words adds a line.
VERSIONS = {"1": "ac2301eb49779b31d976e7b42d654f155552aeb42612ea3b3b07cb3f987564ac"}


@pytest.fixture
def owner():
    return make_user("owner@example.com")


@pytest.fixture
def car(owner):
    made = make_car(owner)
    made.sign_in()
    return made


def publish() -> None:
    delivery.publish("local", now=clock.now())


def told(car) -> tuple[list[str], list[str]]:
    """What the document and the lease in it say."""
    car.etag = ""
    document = body(car.check())
    claims = jwt.decode(document["lease"], options={"verify_signature": False})
    return document["consents"], claims["consents"]


def say(car) -> None:
    assert car.report().status_code == 204


def state(car) -> learning.Learning:
    found = learning.of(Vehicle.objects.get(id=car.vehicle.id))
    assert found is not None
    return found


def allow(car, owner) -> bool:
    return learning.allow(
        owner=owner, vehicle_id=car.vehicle.id, text=consents.TEXT, now=clock.now()
    )


def record(car) -> list[tuple[bool, str]]:
    return list(
        Consent.objects.filter(vehicle=car.vehicle).order_by("id").values_list("given", "text")
    )


def test_the_words_are_those_of_their_version() -> None:
    assert hashlib.sha256(WORDS.read_bytes()).hexdigest() == VERSIONS[consents.TEXT]


def test_it_is_off_until_allowed_and_each_word_reaches_the_car(car, owner) -> None:
    publish()
    browser = browser_of(owner)
    shown = text(browser.get(page(car)))
    assert "Not allowed" in shown
    assert "Your car sends no clips." in shown
    assert told(car) == ([], [])

    answer = browser.post(page(car, "learning"), {"allow": consents.TEXT}, follow=True)
    assert answer.redirect_chain == [(f"{page(car)}#learning", 302)]
    assert "No clip is sent before the car has it." in text(answer)
    publish()
    assert told(car) == (["fleet_learning"], ["fleet_learning"])
    assert state(car).moving
    assert "Your car has confirmed it" not in text(browser.get(page(car, "learning")))
    say(car)
    shown = text(browser.get(page(car, "learning")))
    assert "Your car has confirmed it and may send clips." in shown
    assert "hx-get" not in shown

    shown = text(browser.post(page(car, "learning"), {"withdraw": "yes"}, follow=True))
    assert "Not allowed" in shown
    assert "It stops as soon as it hears of it" in shown
    publish()
    assert told(car) == ([], [])
    assert state(car).moving
    say(car)
    assert "it sends no clips" in text(browser.get(page(car)))
    said = Consent.objects.filter(vehicle=car.vehicle).order_by("id")
    assert [(each.given, each.text, each.owner) for each in said] == [
        (True, consents.TEXT, owner),
        (False, consents.TEXT, owner),
    ]
    assert said[0].at < said[1].at
    tell()
    assert [each.subject for each in mail.outbox] == [
        "You allow camera clips from your Model 3",
        "You no longer allow camera clips from your Model 3",
    ]
    assert "without a reason: http" in mail.outbox[0].body


def test_a_car_without_it_is_stored_and_answered_as_ever(car, owner) -> None:
    """What is in the site is the same number of bytes; the rows' one statement stays one."""
    publish()
    key = snapshots.key(car.vehicle.id.bytes)
    _, before = snapshots.look("local", key)
    allow(car, owner)
    publish()
    _, after = snapshots.look("local", key)
    assert len(before) == len(after) == 14
    assert rows.load([car.vehicle.id])[0] == snapshots.decode(car.vehicle.id, after)


def test_the_same_word_twice_changes_nothing(car, owner) -> None:
    assert allow(car, owner)
    version = queries.version(car.vehicle.id)
    assert not allow(car, owner)
    assert record(car) == [(True, consents.TEXT)]
    assert queries.version(car.vehicle.id) == version


def test_old_words_are_shown_anew(car, owner) -> None:
    browser = browser_of(owner)
    shown = browser.post(page(car, "learning"), {"allow": "0"}, follow=True)
    assert "These words have changed" in text(shown)
    assert record(car) == []


def test_only_the_owner_and_only_for_a_car_that_can_be_told(car, owner) -> None:
    stranger = browser_of(make_user())
    assert stranger.get(page(car, "learning")).status_code == 404
    assert stranger.post(page(car, "learning"), {"allow": consents.TEXT}).status_code == 404
    dumb = make_car(owner, hardware="none")
    browser = browser_of(owner)
    assert "camera clips" not in text(browser.get(page(dumb))).lower()
    assert browser.post(page(dumb, "learning"), {"allow": consents.TEXT}).status_code == 404
    assert not Consent.objects.exists()


def test_only_the_unit_that_is_in_the_car_has_confirmed_it(car, owner) -> None:
    allow(car, owner)
    publish()
    told(car)
    say(car)
    assert not state(car).moving
    Vehicle.objects.filter(id=car.vehicle.id).update(key_replaced_at=clock.now())
    assert state(car).moving


def released(car, owner) -> None:
    garage.release(owner=owner, vehicle_id=car.vehicle.id, now=clock.now())


def decided(car, _owner) -> None:
    claim = Claim.objects.create(vehicle=car.vehicle, claimant=make_user(), opened_at=clock.now())
    garage.decide(claim, grant=True, reason="proof", actor=make_user(), now=clock.now())


def completed(car, _owner) -> None:
    buyer = make_user()
    add(car, buyer, clock.now())
    add(car, buyer, clock.now() + garage.SILENCE + timedelta(minutes=1))


def add(car, who, now):
    code = pairing.issue(car.vehicle, now=now).user_code
    return garage.add(owner=who, vin=Vin.parse(car.vehicle.vin), code=code, now=now)


def retired(car, owner) -> None:
    garage.retire(vehicle_id=car.vehicle.id, reason="scrapped", actor=owner, now=clock.now())


def closed(_car, owner) -> None:
    closing.start(user=owner, now=clock.now())


@pytest.mark.parametrize("end", [released, decided, completed, retired, closed])
def test_it_ends_with_the_ownership(car, owner, end) -> None:
    allow(car, owner)
    version = queries.version(car.vehicle.id)

    end(car, owner)

    assert record(car) == [(True, consents.TEXT), (False, consents.TEXT)]
    assert queries.version(car.vehicle.id) > version
    [snapshot] = rows.load([car.vehicle.id])
    assert snapshot.consents == ()
    [event] = DomainEvent.objects.filter(vehicle=car.vehicle, kind="learning_withdrawn")
    assert event.data["by_itself"] is True
    mail.outbox.clear()
    tell()
    assert not [each for each in mail.outbox if "no longer allow" in each.subject]


def test_the_next_owner_begins_without_it(car, owner) -> None:
    allow(car, owner)
    publish()
    told(car)
    say(car)
    released(car, owner)
    buyer = make_user()
    add(car, buyer, clock.now())

    shown = text(browser_of(buyer).get(page(car)))

    assert "You have allowed it" not in shown
    assert "It stops as soon as it hears of it" in shown  # The car's truth, whoever allowed it.


def test_it_costs_a_page_one_query(car, owner, django_assert_num_queries) -> None:
    allow(car, owner)
    with django_assert_num_queries(1):
        learning.of(car.vehicle)
