"""What a car reports: stored before it is thanked, in any order, as often as it says it."""

import dataclasses
import itertools
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.utils import DatabaseError, InterfaceError, OperationalError
from django.test.utils import CaptureQueriesContext

from billing import clock, grants, subjects
from billing.models import CatalogRevision
from fleet import delivery
from fleet.models import Delivery, DomainEvent, Report, Vehicle
from tests.factories import Car, body, make_car

pytestmark = pytest.mark.django_db
REPORT = "/vehicle/v1/entitlement/report"
AT = "2026-11-22T08:20:00Z"


@pytest.fixture
def car() -> Car:
    """A car that holds version 1 of its entitlement."""
    made = make_car()
    made.sign_in()
    tell()
    made.check()
    return made


def tell() -> None:
    delivery.publish("local", now=clock.now())


def change(car: Car) -> None:
    subjects.bump([car.vehicle.id], now=clock.now())
    tell()


def say(car: Car, version: int, result: str = "applied", catalog: int = 1, **more) -> int:
    said = {"version": version, "catalog": catalog, "result": result, "at": AT, **more}
    return car.call("PUT", REPORT, said).status_code


def states(car: Car) -> dict[int, str]:
    rows = Delivery.objects.filter(vehicle=car.vehicle)
    return dict(rows.values_list("version", "state"))


def stored(car: Car) -> tuple:
    row = Report.objects.get(vehicle=car.vehicle)
    return row.version, row.catalog, row.applied, row.reason


# What is stored


def test_a_report_is_thanked_for_and_stored(car) -> None:
    assert states(car) == {1: "sent"}
    before = clock.now()
    answer = car.report("applied", at="2026-11-22T10:20:00+02:00")
    assert answer.status_code == 204
    assert answer.content == b""
    row = Report.objects.get(vehicle=car.vehicle)
    assert (row.version, row.catalog, row.applied, row.reason) == (1, 1, True, "")
    assert row.at == datetime(2026, 11, 22, 8, 20, tzinfo=UTC)
    assert before <= row.received_at <= clock.now()
    assert states(car) == {1: "applied"}
    car.vehicle.refresh_from_db()
    assert car.vehicle.last_contact_at <= before, "it was known to the hour"
    assert Delivery.objects.get(version=1, vehicle=car.vehicle).applied_at == row.received_at


def test_a_failure_is_kept_with_the_cars_own_words(car) -> None:
    assert say(car, 1, "failed", reason="lease_signature") == 204
    assert stored(car) == (1, 1, False, "lease_signature")
    assert states(car) == {1: "failed"}
    assert Delivery.objects.get(vehicle=car.vehicle).reason == "lease_signature"


def test_long_words_are_cut_and_not_refused(car) -> None:
    assert say(car, 1, "failed", reason="ä" * 5_000) == 204
    assert stored(car)[3] == "ä" * 500


def test_saying_it_again_changes_nothing_but_the_last_contact(car) -> None:
    for _ in range(3):
        assert say(car, 1) == 204
    assert states(car) == {1: "applied"}
    assert DomainEvent.objects.filter(kind="delivery_applied").count() == 1


def test_a_failure_said_again_is_told_once(car) -> None:
    for _ in range(3):
        assert say(car, 1, "failed", reason="x") == 204
    assert DomainEvent.objects.filter(kind="delivery_failed").count() == 1


# In which order


def test_an_older_report_changes_nothing(car) -> None:
    change(car)
    assert say(car, 2) == 204
    received = Report.objects.get(vehicle=car.vehicle).received_at
    assert say(car, 1, "failed", reason="late") == 204
    assert stored(car) == (2, 1, True, "")
    assert Report.objects.get(vehicle=car.vehicle).received_at == received
    assert states(car) == {1: "superseded", 2: "applied"}


def test_an_older_catalogue_changes_nothing(car) -> None:
    document = CatalogRevision.objects.get(revision=1).document
    CatalogRevision.objects.create(revision=2, document=document)
    assert say(car, 1, catalog=2) == 204
    assert say(car, 1, "failed", catalog=1) == 204
    assert stored(car) == (1, 2, True, "")
    change(car)
    assert say(car, 2, "failed", catalog=1) == 204
    assert stored(car) == (1, 2, True, "")


def test_another_catalogue_leaves_a_version_that_was_applied_alone(car) -> None:
    document = CatalogRevision.objects.get(revision=1).document
    for revision in (2, 3, 4):
        CatalogRevision.objects.create(revision=revision, document=document)
    assert say(car, 1) == 204
    with CaptureQueriesContext(connection) as asked:
        assert say(car, 1, catalog=2) == 204
    assert not any("fleet_delivery" in each["sql"] for each in asked)
    assert say(car, 1, "failed", catalog=3, reason="unknown_feature") == 204
    assert stored(car) == (1, 3, False, "unknown_feature")
    assert say(car, 1, catalog=4) == 204
    assert stored(car) == (1, 4, True, "")
    assert states(car) == {1: "applied"}
    assert DomainEvent.objects.filter(kind="delivery_applied").count() == 1
    assert not DomainEvent.objects.filter(kind="delivery_failed").exists()


def test_applied_is_final_for_a_pair(car) -> None:
    assert say(car, 1) == 204
    assert say(car, 1, "failed", reason="after all not") == 204
    assert stored(car) == (1, 1, True, "")
    assert states(car) == {1: "applied"}


def test_what_failed_may_be_applied_later(car) -> None:
    assert say(car, 1, "failed", reason="no key") == 204
    assert say(car, 1) == 204
    assert stored(car) == (1, 1, True, "")
    assert states(car) == {1: "applied"}
    assert Delivery.objects.get(vehicle=car.vehicle).reason == ""


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_reports_end_the_same_in_any_order(car, order) -> None:
    change(car)
    change(car)
    for version in order:
        assert say(car, version) == 204
    assert stored(car)[:3] == (3, 1, True)
    assert states(car)[3] == "applied"
    assert set(states(car).values()) <= {"applied", "superseded"}


@pytest.mark.parametrize("path", list(itertools.product(["sent", "applied", "failed"], repeat=3)))
def test_a_delivery_moves_along_its_transitions_only(car, path) -> None:
    """Whatever is said and done, in any order: no step that the table does not have."""
    allowed = Delivery.TRANSITIONS
    seen = [states(car)[1]]
    for step in path:
        if step == "sent":
            delivery.publish("local", now=clock.now())
        else:
            say(car, 1, step)
        seen.append(states(car)[1])
    for old, new in itertools.pairwise(seen):
        assert old == new or new in allowed[old]


def test_a_report_of_a_version_that_no_site_was_told_is_not_lost(car) -> None:
    """The car had asked PostgreSQL itself, for its site was away or behind."""
    subjects.bump([car.vehicle.id], now=clock.now())
    assert say(car, 2) == 204
    assert states(car)[2] == "applied"
    tell()
    assert states(car) == {1: "superseded", 2: "applied"}


def test_a_report_of_a_version_that_another_followed_before_a_site_was_told_is_not_lost(
    car,
) -> None:
    """What it said nobody knows any more, so it makes no claim: it counts as Standard."""
    subjects.bump([car.vehicle.id], now=clock.now())
    subjects.bump([car.vehicle.id], now=clock.now())
    assert say(car, 2) == 204
    assert states(car) == {1: "superseded", 2: "applied", 3: "pending"}
    heard = Delivery.objects.get(version=2)
    assert (heard.plan, heard.grants) == ("standard", [])
    assert DomainEvent.objects.filter(kind="delivery_applied", data__version=2).count() == 1
    tell()
    assert states(car) == {1: "superseded", 2: "applied", 3: "sent"}


# What cannot be


@pytest.mark.parametrize(("version", "catalog"), [(2, 1), (1, 2), (2**53 - 1, 1), (1, 2**53 - 1)])
def test_what_was_never_issued_is_refused(car, version: int, catalog: int) -> None:
    said = {"version": version, "catalog": catalog, "result": "applied", "at": AT}
    answer = car.call("PUT", REPORT, said)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body(answer)["type"].endswith(":never-issued")
    assert not Report.objects.exists()
    assert states(car) == {1: "sent"}


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"version": None}, "#/version"),
        ({"version": 0}, "#/version"),
        ({"version": -1}, "#/version"),
        ({"version": 2**53}, "#/version"),
        ({"version": 10**400}, "#/version"),
        ({"version": "x"}, "#/version"),
        ({"version": True}, "#/version"),
        ({"version": 1.5}, "#/version"),
        ({"version": [1]}, "#/version"),
        ({"catalog": {}}, "#/catalog"),
        ({"result": "done"}, "#/result"),
        ({"result": ["applied"]}, "#/result"),
        ({"reason": None}, "#/reason"),
        ({"reason": ["x"]}, "#/reason"),
        ({"reason": "a\0b"}, "#/reason"),
        ({"reason": "\ud800"}, "#/reason"),
        ({"at": "yesterday"}, "#/at"),
        ({"at": 1_795_000_000}, "#/at"),
        ({"at": "2026-02-30T00:00:00Z"}, "#/at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "#/at"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "#/at"),
        ({"at": None}, "#/at"),
    ],
)
def test_a_wrong_member_is_pointed_at(car, changed, pointer: str) -> None:
    answer = car.report(**changed)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = body(answer)
    assert document["type"].endswith(":invalid")
    assert [error["pointer"] for error in document["errors"]] == [pointer]
    assert all(error["detail"] for error in document["errors"])
    assert not Report.objects.exists()


def test_all_that_is_missing_is_named_at_once(car) -> None:
    document = body(car.call("PUT", REPORT, {}))
    pointers = {error["pointer"] for error in document["errors"]}
    assert pointers == {"#/version", "#/catalog", "#/result", "#/at"}


@pytest.mark.parametrize("text", ["[]", '"x"', "7", "null", "true"])
def test_another_document_is_wrong_as_a_whole(car, text: str) -> None:
    answer = car.call("PUT", REPORT, text)
    assert answer.status_code == 400
    pointers = [error["pointer"] for error in body(answer)["errors"]]
    assert pointers == ["#"] or set(pointers) == {"#/version", "#/catalog", "#/result", "#/at"}


@pytest.mark.parametrize("text", ["{", "\ufeff{}", "NaN", '{"version": NaN}', "[" * 60_000, "\0"])
def test_what_is_no_json_is_refused(car, text: str) -> None:
    answer = car.call("PUT", REPORT, text)
    assert answer.status_code == 400
    assert body(answer)["type"].endswith(":parse-error")


def test_unknown_members_are_ignored(car) -> None:
    assert say(car, 1, battery=80) == 204


# When the rows cannot be written


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DatabaseError])
@pytest.mark.parametrize("statement", ["SELECT", "INSERT", "UPDATE"])
def test_what_cannot_be_stored_is_said_so_and_not_half_stored(car, error, statement) -> None:
    def refuse(execute, sql, *args):
        if sql.startswith(statement):
            raise error("the server is gone")
        return execute(sql, *args)

    with connection.execute_wrapper(refuse):
        answer = car.report()
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 3 <= int(answer.headers["Retry-After"]) <= 9
    assert body(answer)["type"].endswith(":not-now")
    assert not Report.objects.exists()
    assert states(car) == {1: "sent"}
    assert car.report().status_code == 204
    assert states(car) == {1: "applied"}


def test_a_former_units_report_is_refused_under_the_lock(car) -> None:
    assert refused_under_the_lock(car, credential_generation=2)


def test_so_is_that_of_a_car_that_was_removed(car) -> None:
    assert refused_under_the_lock(car, removed_at=clock.now())


def refused_under_the_lock(car: Car, **changed) -> bool:
    Vehicle.objects.filter(id=car.vehicle.id).update(**changed)
    with pytest.raises(delivery.FormerUnit):
        delivery.report(
            delivery.Said(
                vehicle_id=car.vehicle.id,
                generation=1,
                version=1,
                catalog=1,
                applied=True,
                reason="",
                at=clock.now(),
                received_at=clock.now(),
            )
        )
    return not Report.objects.exists()


# At once


@pytest.mark.django_db(transaction=True)
def test_reports_at_once_end_as_in_a_row(car) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    for _ in range(3):
        gift = grants.Gift(
            car.vehicle.id, "premium", "goodwill", start, start + timedelta(days=9_000)
        )
        grants.give(gift, now=clock.now())
    said = [(version, result) for version in (1, 2, 3, 4) for result in ("failed", "applied")]
    statuses: list[int] = []

    def tell_it(version: int, result: str) -> None:
        statuses.append(say(car, version, result))
        connection.close()

    threads = [threading.Thread(target=tell_it, args=each) for each in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [204] * len(said)
    assert stored(car) == (4, 1, True, "")
    assert states(car)[4] == "applied"
    assert set(states(car).values()) <= {"applied", "superseded"}


# Together


def said(car: Car, **changed) -> delivery.Said:
    now = clock.now()
    right = delivery.Said(car.vehicle.id, 1, 1, 1, applied=True, reason="", at=now, received_at=now)
    return dataclasses.replace(right, **changed)


def test_reports_of_one_moment_are_told_apart_and_cost_as_much_as_one() -> None:
    cars = [make_car() for _ in range(9)]
    tell()
    with CaptureQueriesContext(connection) as alone:
        assert delivery.report_all([said(cars[0])]) == [None]
    with CaptureQueriesContext(connection) as many:
        wrong = delivery.report_all(
            [
                said(cars[0], applied=False, reason="too late"),
                said(cars[1], version=2),
                said(cars[2], generation=2),
                said(cars[3], vehicle_id=uuid4()),
                *map(said, cars[4:]),
            ]
        )
    kinds = [type(None), delivery.AheadOfUs, delivery.FormerUnit, delivery.FormerUnit]
    assert [type(each) for each in wrong] == kinds + [type(None)] * 5
    assert [states(car) for car in cars] == (
        [{1: "applied"}] + [{1: "sent"}] * 3 + [{1: "applied"}] * 5
    )
    assert stored(cars[0])[2] is True
    assert Report.objects.count() == 6
    assert DomainEvent.objects.filter(kind="delivery_applied").count() == 6
    notes = sum("last_contact_at" in each["sql"] and "UPDATE" in each["sql"] for each in many)
    assert len(many) - notes <= len(alone)
