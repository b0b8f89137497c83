"""A new feature comes to the cars: for a share, for more, halted, taken back; through the edge."""

import hashlib
import json
import random
import threading
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import catalog, clock, grants, offers, queries, revisions
from billing.catalog import CatalogInvalid, bucket
from billing.models import CatalogRevision
from billing.models import DomainEvent as Published
from fleet import progress, rollouts, tasks
from fleet.models import DomainEvent, Rollout, Vehicle
from tests.factories import Car, body, make_car, make_user

pytestmark = pytest.mark.django_db
REASON = "Agreed with the maps team, ticket 4711."
PERCENT = 100


def begin(share: int = 100 * PERCENT, **changed: Any) -> Rollout:
    wanted = {
        "feature": "summon",
        "name": "Summon",
        "plan": "premium",
        "audience": {},
        "share": share,
        "reason": REASON,
        "actor": None,
        "now": clock.now(),
    }
    made = rollouts.begin(**{**wanted, **changed})
    tasks.sweep()
    return made


def change(act: Any, rollout: Rollout, **more: Any) -> Rollout:
    """Take a step as somebody who has just looked."""
    common = {"seen": rollout.revision, "reason": REASON, "actor": None, "now": clock.now()}
    changed: Rollout = act(rollout_id=rollout.pk, **{**common, **more})
    tasks.sweep()
    return changed


def pay(*cars: Car) -> None:
    """Each has Premium, as its site knows."""
    now = clock.now().replace(microsecond=0)
    for car in cars:
        grants.give(grants.Gift(car.vehicle.id, "premium", "goodwill", now, None), now=now)
    tasks.sweep()


def paid_car(**facts: Any) -> Car:
    car = make_car(**facts)
    pay(car)
    car.sign_in()
    return car


def lies_in(rollout: Rollout, car: Car) -> int:
    return bucket(rollout.salt, car.vehicle.id)


def poll(car: Car) -> Any:
    """What the car is told that it did not know, None if nothing."""
    answer = car.check()
    assert answer.status_code in (200, 304)
    return body(answer) if answer.status_code == 200 else None


def has_summon(told: Any) -> bool:
    """Whether the document has the feature, and the lease says the same."""
    options: Any = {"verify_signature": False}
    [grant] = jwt.decode(told["lease"], options=options)["grants"]
    assert sorted(grant["features"]) == told["features"]
    return "summon" in told["features"]


# What cars see


def test_a_car_in_the_share_has_it_at_its_next_poll_and_one_beside_it_has_not() -> None:
    car = paid_car()
    assert not has_summon(poll(car))
    assert poll(car) is None
    rollout = begin(share=1)
    mine = lies_in(rollout, car)
    assert has_summon(poll(car)) == (mine < 1)
    steps = [share for share in (mine, mine + 1, 100 * PERCENT) if share > 1]
    for share in steps:
        rollout = change(rollouts.raise_share, rollout, share=share)
        told = poll(car)
        assert told["catalog"] == rollout.revision
        assert has_summon(told) == (mine < share)


def test_each_change_is_a_higher_catalogue_in_the_etag_and_only_the_roll_back_takes_it() -> None:
    car = paid_car()
    seen = []

    def look() -> bool:
        told = poll(car)
        seen.append(int(car.etag.strip('"').split(".")[1]))
        assert told["catalog"] == seen[-1]
        assert poll(car) is None
        return has_summon(told)

    assert not look()
    rollout = begin()
    assert look()
    rollout = change(rollouts.halt, rollout)
    assert look()
    change(rollouts.roll_back, rollout)
    assert not look()
    assert seen == sorted(set(seen))


def test_halted_midway_the_share_stands_still_until_it_is_raised() -> None:
    rollout = begin(share=50 * PERCENT)
    cars = [paid_car() for _ in range(8)]
    before = [has_summon(poll(car)) for car in cars]
    assert before == [lies_in(rollout, car) < 50 * PERCENT for car in cars]
    rollout = change(rollouts.halt, rollout)
    assert [has_summon(poll(car)) for car in cars] == before
    with pytest.raises(rollouts.Over, match="halted already"):
        change(rollouts.halt, rollout)
    rollout = change(rollouts.raise_share, rollout, share=100 * PERCENT)
    assert rollout.state == Rollout.State.RUNNING
    assert all(has_summon(poll(car)) for car in cars)


def test_rolled_back_midway_nobody_has_it_and_a_new_one_deals_anew() -> None:
    first = begin(share=50 * PERCENT)
    cars = [paid_car() for _ in range(4)]
    assert len([poll(car) for car in cars]) == 4
    change(rollouts.roll_back, first)
    assert not any(has_summon(poll(car)) for car in cars)
    with pytest.raises(rollouts.Over, match="Begin a new one"):
        change(rollouts.raise_share, Rollout.objects.get(), share=100 * PERCENT)
    again = begin(now=clock.now() + timedelta(seconds=1))
    assert again.salt != first.salt
    assert all(has_summon(poll(car)) for car in cars)


def test_it_comes_to_the_market_model_and_hardware_that_it_is_for() -> None:
    right = paid_car(market="DE", model="model_s", hardware="mcu3")
    others = [
        paid_car(market="US", model="model_s", hardware="mcu3"),
        paid_car(market="DE", model="model_3", hardware="mcu3"),
        paid_car(market="DE", model="model_s", hardware="mcu1"),
    ]
    unpaid = make_car(market="DE", model="model_s")
    unpaid.sign_in()
    begin(audience={"market": ["DE", "NO"], "model": ["model_s"], "hardware": ["mcu3"]})
    assert has_summon(poll(right))
    assert not any(has_summon(poll(car)) for car in others)
    assert poll(unpaid)["features"] == []


# What it costs


def test_to_publish_is_ten_writes_at_most_however_many_cars_there_are() -> None:
    Vehicle.objects.bulk_create(
        Vehicle(vin=f"5YJ3E{n:012d}", model="model_3", hardware="mcu3", market="US")
        for n in range(3_000)
    )
    tasks.sweep()
    counted = []
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        for step in (
            lambda: begin(share=1 * PERCENT),
            lambda: change(rollouts.raise_share, Rollout.objects.get(), share=50 * PERCENT),
            lambda: change(rollouts.halt, Rollout.objects.get()),
            lambda: change(rollouts.roll_back, Rollout.objects.get()),
        ):
            site.config_resetstat()
            with CaptureQueriesContext(connection) as asked:
                step()
            wrote = [q["sql"] for q in asked if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
            calls = {
                name.removeprefix("cmdstat_"): stat["calls"]
                for name, stat in site.info("commandstats").items()
            }
            changed = sum(calls.get(name, 0) for name in ("set", "hset", "del"))
            counted.append((len(wrote), changed))
    assert all(rows + values <= 10 for rows, values in counted), counted
    assert all(4 <= rows <= 5 for rows, _ in counted), counted


# Who changes it


def test_who_did_it_and_why_is_on_record() -> None:
    actor = make_user()
    rollout = begin(share=PERCENT, actor=actor)
    rollout = change(rollouts.raise_share, rollout, share=5 * PERCENT, actor=actor)
    rollout = change(rollouts.halt, rollout, actor=actor)
    change(rollouts.roll_back, rollout, actor=actor)
    events = DomainEvent.objects.filter(kind__startswith="rollout_").order_by("id")
    assert [(each.kind, each.data["share"]) for each in events] == [
        ("rollout_begun", 100),
        ("rollout_raised", 500),
        ("rollout_halted", 500),
        ("rollout_rolled_back", 500),
    ]
    assert {(each.actor, each.data["reason"]) for each in events} == {(actor, REASON)}
    numbers = [each.data["catalog"] for each in events]
    assert numbers == list(CatalogRevision.objects.order_by("revision").values_list(flat=True))[1:]
    assert Published.objects.filter(kind="catalog_published", actor=actor).count() == 4


def test_the_later_of_two_reads_what_the_earlier_did_and_changes_nothing() -> None:
    rollout = begin(share=PERCENT)
    change(rollouts.halt, rollout)
    for act, more in (
        (rollouts.raise_share, {"share": 5 * PERCENT}),
        (rollouts.halt, {}),
        (rollouts.roll_back, {}),
    ):
        with pytest.raises(rollouts.Overtaken, match=r"halted at 1 % now, by catalogue 3"):
            change(act, rollout, **more)
    assert queries.catalog().revision == 3


@pytest.mark.parametrize("share", [0, 99, 100, 10_001])
def test_a_share_only_grows(share: int) -> None:
    rollout = begin(share=100)
    with pytest.raises(rollouts.WrongShare, match="more than 1 %"):
        change(rollouts.raise_share, rollout, share=share)
    assert queries.catalog().revision == rollout.revision


def test_what_the_catalogue_has_already_is_not_begun() -> None:
    begin()
    for feature in ("summon", "live_traffic"):
        with pytest.raises(revisions.FeatureIsThere, match=feature):
            begin(feature=feature)
    with pytest.raises(CatalogInvalid, match="gold"):
        begin(feature="other", plan="gold")
    with pytest.raises(rollouts.WrongShare):
        begin(feature="other", share=0)
    assert Rollout.objects.count() == 1
    assert queries.catalog().revision == 2


@pytest.mark.django_db(transaction=True)
def test_all_who_begin_at_once_come_into_the_catalogue() -> None:
    names = [f"feature_{number}" for number in range(8)]
    go = threading.Barrier(len(names))

    def one(feature: str) -> None:
        go.wait(10)
        try:
            rollouts.begin(
                feature=feature,
                name=feature,
                plan="premium",
                audience={},
                share=PERCENT,
                reason=REASON,
                actor=None,
                now=clock.now(),
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    sold = queries.catalog()
    assert sold.revision == 1 + len(names)
    assert set(names) <= {each.code for each in sold.plans["premium"].features}


# What else is published meanwhile


def shipped(**changed: Any) -> dict[str, Any]:
    return {**json.loads(offers.SHIPPED.read_text()), **changed}


def share_of(code: str) -> int | None:
    found = {each.code: each.share for each in queries.catalog().plans["premium"].features}
    return found.get(code)


def test_a_new_version_of_this_software_leaves_a_roll_out_as_it_is() -> None:
    begin(share=PERCENT)
    assert not offers.publish_shipped(now=clock.now()), "it was published before"
    revisions.publish(shipped(prices=[]), now=clock.now())
    assert share_of("summon") == PERCENT
    assert queries.catalog().prices == {}
    assert offers.publish_shipped(now=clock.now()) is False


def test_a_version_that_brings_the_feature_itself_keeps_its_share_until_it_is_whole() -> None:
    rollout = begin(share=PERCENT)
    newer = shipped()
    newer["features"] = [*newer["features"], {"code": "summon", "name": "Summon 2"}]
    newer["plans"] = [
        {**each, "features": [*each["features"], "summon"]} for each in newer["plans"]
    ]
    revisions.publish(newer, now=clock.now())
    assert share_of("summon") == PERCENT
    assert revisions.was_published(newer)
    rollout = change(rollouts.raise_share, rollout, share=100 * PERCENT)
    revisions.publish(newer, now=clock.now())
    assert share_of("summon") == catalog.BUCKETS
    assert revisions.was_published(newer)


def test_what_is_not_rolled_out_cannot_be_changed_by_name() -> None:
    with pytest.raises(revisions.FeatureIsMissing):
        revisions.remove_feature("live_traffic", actor=None, now=clock.now())


# How far it has come


def counted(rollout: Rollout) -> tuple[int, ...]:
    found = progress.count(Rollout.objects.get(pk=rollout.pk), now=clock.now())
    return found.able, found.due, found.applied, found.failed, found.silent


def test_progress_counts_what_the_cars_have_said_of_this_catalogue() -> None:
    cars = [paid_car() for _ in range(4)]
    for car in cars:
        poll(car)
        car.report()
    make_car().sign_in()
    pay(make_car(hardware="none"))
    rollout = begin()
    assert counted(rollout) == (4, 4, 0, 0, 4)
    for car in cars[:3]:
        poll(car)
    cars[0].report()
    cars[1].report("failed", reason="no map data")
    assert counted(rollout) == (4, 4, 1, 1, 2)
    [failure] = Rollout.objects.get().failures
    assert failure == {"vehicle": str(cars[1].vehicle.id), "reason": "no map data"}
    cars[1].report()
    assert counted(rollout) == (4, 4, 2, 0, 2)
    rollout = change(rollouts.roll_back, rollout)
    assert counted(rollout) == (4, 4, 0, 0, 4), "who has given it up is counted anew"
    poll(cars[3])
    cars[3].report()
    assert counted(rollout) == (4, 4, 1, 0, 3)


def test_progress_knows_the_same_cars_as_the_rule() -> None:
    Vehicle.objects.bulk_create(
        Vehicle(vin=f"5YJ3E{n:012d}", model="model_3", hardware="mcu3", market="US")
        for n in range(500)
    )
    rollout = begin(share=30 * PERCENT)
    ids: list[UUID] = list(Vehicle.objects.values_list("id", flat=True))
    with connection.cursor() as cursor:
        statement = progress._CARS.partition("AND vehicle.id IN")[0]
        cursor.execute(statement, progress._parameters(rollout, clock.now())[:-3])
        by_rows = {vehicle for vehicle, due in cursor.fetchall() if due}
    assert by_rows == {each for each in ids if bucket(rollout.salt, each) < rollout.share}
    assert 100 < len(by_rows) < 200


def test_a_count_of_what_was_changed_meanwhile_is_thrown_away() -> None:
    rollout = begin(share=PERCENT)
    change(rollouts.raise_share, rollout, share=2 * PERCENT)
    progress.count(rollout, now=clock.now())
    assert Rollout.objects.get().counted_at is None


def test_a_count_is_good_for_twenty_times_as_long_as_it_took(now) -> None:
    rollout = Rollout(revision=2, counted_revision=2, counted_at=now, counted_in=2.0)
    assert not progress.is_due(rollout, now=now + timedelta(seconds=39))
    assert progress.is_due(rollout, now=now + timedelta(seconds=40))
    rollout.counted_in = 0.01
    assert not progress.is_due(rollout, now=now + timedelta(seconds=4))
    assert progress.is_due(rollout, now=now + timedelta(seconds=5))
    rollout.revision = 3
    assert progress.is_due(rollout, now=now)


# In any order


class Draft:
    """What a roll-out should be, by a few words; its bucket by statements of its own."""

    def __init__(self, salt: str, share: int) -> None:
        self.salt, self.share = salt, share

    def holds(self, subject_id: UUID) -> bool:
        drawn = hashlib.sha256(self.salt.encode() + b":" + subject_id.bytes).hexdigest()
        return int(drawn[:8], 16) % 10_000 < self.share


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_in_whatever_order_each_car_has_what_it_should(seed: int) -> None:
    dice = random.Random(seed)
    ids = [UUID(int=dice.getrandbits(128)) for _ in range(300)]
    drafts: dict[str, Draft] = {}
    held: dict[str, set[UUID]] = {}
    met: Counter[str] = Counter()
    for number in range(100):
        code = dice.choice(("summon", "sentry", "dashcam"))
        act = dice.choice(("begin", "raise", "raise", "halt", "roll back", "ship"))
        before = queries.catalog().revision
        try:
            _act(act, code, drafts, dice, number)
        except (
            revisions.FeatureIsThere,
            rollouts.WrongShare,
            rollouts.Over,
            Rollout.DoesNotExist,
        ):
            met[f"{act} refused"] += 1
            assert queries.catalog().revision == before
            continue
        met[act] += 1
        sold = queries.catalog()
        assert sold.revision == before + 1
        for each in ("summon", "sentry", "dashcam"):
            mine = {one for one in ids if each in sold.plans["premium"].codes_for(TRAITS, one)}
            draft = drafts.get(each)
            assert mine == ({one for one in ids if draft.holds(one)} if draft else set())
            assert not draft or mine >= held.get(each, set()), "a raise takes from nobody"
            held[each] = mine
    assert {"begin", "raise", "halt", "roll back", "ship", "begin refused"} <= set(met)


TRAITS = frozenset({"hardware:mcu3"})


def _act(act: str, code: str, drafts: dict[str, Draft], dice: random.Random, number: int) -> None:
    at = clock.now() + timedelta(seconds=number)
    share = dice.choice((1, 100, 1_000, 2_500, 5_000, 7_500))
    if act == "ship":
        revisions.publish(shipped(prices=[] if number % 2 else shipped()["prices"]), now=at)
        return
    if act == "begin":
        drafts[code] = Draft(begin(feature=code, share=share, now=at).salt, share)
        return
    rollout = Rollout.objects.exclude(state="rolled_back").get(feature=code)
    common: dict[str, Any] = {"rollout_id": rollout.pk, "seen": rollout.revision, "reason": REASON}
    if act == "raise":
        rollouts.raise_share(**common, share=share, actor=None, now=at)
        drafts[code].share = share
    elif act == "halt":
        rollouts.halt(**common, actor=None, now=at)
    else:
        rollouts.roll_back(**common, actor=None, now=at)
        del drafts[code]
