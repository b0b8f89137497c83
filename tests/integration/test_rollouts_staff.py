"""Roll-outs in the admin: what each page says, what a press does, and who may press."""

import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing import clock, grants, queries
from billing.catalog import bucket
from fleet import rollouts, tasks, traits
from fleet.admin import pictures
from fleet.models import DomainEvent, Rollout
from tests import staffed
from tests.factories import Car, make_car, make_user

pytestmark = pytest.mark.django_db
REASON = "Agreed with the maps team, ticket 4711."
BEGIN = "/admin/fleet/rollout/begin/"


@pytest.fixture(autouse=True)
def _new_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that a process remembers of another test are gone with it."""
    monkeypatch.setattr(traits, "_numbers", {})


@pytest.fixture
def fleet_staff() -> Client:
    return staffed.sign_in(staffed.make_staff("Fleet"))


@pytest.fixture
def car() -> Car:
    """One that has Premium, as its site knows."""
    made = make_car(market="DE")
    now = clock.now().replace(microsecond=0)
    grants.give(grants.Gift(made.vehicle.id, "premium", "goodwill", now, None), now=now)
    tasks.sweep()
    made.sign_in()
    return made


def begun(share: int = 5_000, **changed: Any) -> Rollout:
    wanted: dict[str, Any] = {
        "feature": "summon",
        "name": "Summon",
        "plan": "premium",
        "audience": {},
        "share": share,
        "reason": REASON,
        "actor": None,
        "now": clock.now(),
    }
    return rollouts.begin(**{**wanted, **changed})


def page(client: Client, rollout: Rollout, action: str = "change") -> str:
    answer = client.get(reverse(f"admin:fleet_rollout_{action}", args=[rollout.pk]))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def press(client: Client, rollout: Rollout, action: str, **form: Any) -> Any:
    url = reverse(f"admin:fleet_rollout_{action}", args=[rollout.pk])
    return client.post(url, {"reason": REASON, "seen": rollout.revision, **form}, follow=True)


FORM = {
    "feature": "summon",
    "name": "Summon",
    "plan": "premium",
    "market": ["DE"],
    "share": 100,
    "reason": REASON,
}


def shown_in(answer: Any) -> str:
    found = re.search(r'name="shown" value="([^"]+)"', answer.content.decode())
    assert found is not None
    return found[1].replace("&quot;", '"')


def test_it_is_begun_on_the_second_press_after_the_numbers_were_shown(
    fleet_staff: Client, car: Car
) -> None:
    assert "Begin a roll-out" in fleet_staff.get("/admin/fleet/rollout/").content.decode()
    assert 'value="DE"' in fleet_staff.get(BEGIN).content.decode()
    first = fleet_staff.post(BEGIN, FORM)
    assert "It is for 1 cars now, and would begin with about 0" in first.content.decode()
    assert not Rollout.objects.exists()
    other = fleet_staff.post(BEGIN, {**FORM, "share": 10_000, "shown": shown_in(first)})
    assert "would begin with about 1" in other.content.decode(), "other numbers are shown first"
    assert not Rollout.objects.exists()
    done = fleet_staff.post(BEGIN, {**FORM, "shown": shown_in(first)}, follow=True)
    assert "Begun, by catalogue 2." in done.content.decode()
    rollout = Rollout.objects.get()
    assert (rollout.share, rollout.audience) == (100, {"market": ["DE"]})
    event = DomainEvent.objects.get(kind="rollout_begun")
    assert event.actor is not None
    assert event.data["reason"] == REASON


@pytest.mark.parametrize(
    "spoilt",
    [
        {"feature": "Live Camera"},
        {"feature": "live_traffic"},
        {"market": ["XX"]},
        {"share": 7},
        {"plan": "gold"},
        {"reason": "short"},
        {"name": ""},
    ],
)
def test_a_form_that_cannot_be_is_refused_beside_the_field(
    fleet_staff: Client, car: Car, spoilt: dict[str, Any]
) -> None:
    answer = fleet_staff.post(BEGIN, {**FORM, **spoilt})
    if "Nothing has been done yet" in answer.content.decode():
        answer = fleet_staff.post(BEGIN, {**FORM, **spoilt, "shown": shown_in(answer)})
    assert "errorlist" in answer.content.decode()
    assert queries.catalog().revision == 1


def test_it_is_raised_halted_and_rolled_back_by_buttons(fleet_staff: Client, car: Car) -> None:
    rollout = begun(share=100)
    asked = page(fleet_staff, rollout, "raise")
    assert "100 %: about 1 cars, 1 more than now" in asked
    assert "0 of 1." in asked
    assert ">0.5 %" not in asked, "a share only grows"
    assert (
        "Raised to 50 % by catalogue 3"
        in press(fleet_staff, rollout, "raise", share=5_000).content.decode()
    )
    rollout.refresh_from_db()
    assert "Nothing is taken from any car" in page(fleet_staff, rollout, "halt")
    assert "Halted at 50 % by catalogue 4" in press(fleet_staff, rollout, "halt").content.decode()
    rollout.refresh_from_db()
    assert "It is halted, and goes on with this" in page(fleet_staff, rollout, "raise")
    assert "nothing to do here any more" in page(fleet_staff, rollout, "halt")
    assert "leaves premium" in page(fleet_staff, rollout, "roll_back")
    done = press(fleet_staff, rollout, "roll_back").content.decode()
    assert "Rolled back by catalogue 5" in done
    story = done[done.index("What was done, and why") :]
    words = ["rolled back", "halted", "raised", "begun"]
    assert sorted(words, key=story.index) == words, "newest first"
    assert story.count(REASON) == 4
    assert "/roll-back/" not in done, "there is no button for what is over"


def test_a_press_is_ten_writes_at_most_with_all_that_staff_leave_behind(
    fleet_staff: Client, car: Car
) -> None:
    rollout = begun(share=100)
    page(fleet_staff, rollout, "raise")
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        site.config_resetstat()
        with CaptureQueriesContext(connection) as asked:
            press(fleet_staff, rollout, "raise", share=5_000)
            tasks.sweep()
        stats = site.info("commandstats")
    rows = [q["sql"] for q in asked if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    tables = {sql.split('"')[1] for sql in rows}
    assert {"billing_catalogrevision", "fleet_rollout", "fleet_domainevent"} < tables
    values = sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("set", "hset"))
    assert values >= 1
    assert len(rows) + values <= 10, rows


def test_the_later_of_two_members_of_staff_is_told(fleet_staff: Client) -> None:
    rollout = begun(share=100)
    begun_as_seen = rollout.revision
    press(fleet_staff, rollout, "raise", share=1_000)
    other = staffed.sign_in(staffed.make_staff("Fleet"))
    for action, form in (("raise", {"share": 500}), ("halt", {}), ("roll_back", {})):
        answer = press(other, rollout, action, seen=begun_as_seen, **form)
        text = answer.content.decode()
        assert "Somebody has changed this since you looked: it is running at 10 % now" in text
    assert queries.catalog().revision == 3


def test_without_a_reason_nothing_is_done(fleet_staff: Client) -> None:
    rollout = begun()
    for action in ("raise", "halt", "roll_back"):
        assert "errorlist" in press(fleet_staff, rollout, action, reason="").content.decode()
    assert queries.catalog().revision == 2


@pytest.mark.parametrize("group", ["Support", "Billing", "Auditor"])
def test_who_may_look_but_not_change_sees_no_button_and_cannot_press(group: str) -> None:
    client = staffed.sign_in(staffed.make_staff(group))
    rollout = begun()
    text = page(client, rollout)
    assert "How far it has come" in text
    assert "named-action" not in text
    assert "named-action" not in client.get("/admin/fleet/rollout/").content.decode()
    assert page(client, rollout, "progress")
    for action in ("raise", "halt", "roll_back"):
        assert press(client, rollout, action, share=10_000).status_code == 403
    assert client.get(BEGIN).status_code == 403
    assert client.post(BEGIN, FORM).status_code == 403
    assert queries.catalog().revision == 2


def test_who_may_not_look_does_not_and_nobody_without_a_second_factor() -> None:
    rollout = begun()
    path = reverse("admin:fleet_rollout_progress", args=[rollout.pk])
    nobody = staffed.make_staff("Fleet")
    nobody.groups.clear()
    assert staffed.sign_in(nobody).get(path).status_code == 403
    unproven = staffed.sign_in(staffed.make_staff("Fleet"), shown_ago=None)
    assert unproven.get(path).status_code == 302


def test_the_progress_follows_what_the_car_says(fleet_staff: Client, car: Car) -> None:
    rollout = begun(share=10_000)
    tasks.sweep()
    assert "0 %</strong> of the 1 cars" in page(fleet_staff, rollout, "progress")
    car.check()
    car.report("failed", reason="no <map> data")
    Rollout.objects.update(counted_at=clock.now() - timedelta(seconds=6))
    text = page(fleet_staff, rollout, "progress")
    assert "Failed: <strong>1</strong> (100 %)" in text
    assert "no &lt;map&gt; data" in text
    assert car.vehicle.vin not in text
    car.report()
    Rollout.objects.update(counted_at=clock.now() - timedelta(seconds=6))
    text = page(fleet_staff, rollout)
    assert "Have it: <strong>1</strong> (100 %)" in text
    assert re.search(r'<rect class="applied" x="0.0" width="1000.0"', text)
    assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|<style| style=| on\w+=", text)


def test_the_page_reads_what_was_counted_and_counts_nothing_itself(
    fleet_staff: Client, car: Car
) -> None:
    rollout = begun()
    page(fleet_staff, rollout, "progress")
    with CaptureQueriesContext(connection) as asked:
        page(fleet_staff, rollout, "progress")
    assert not [each for each in asked if "billing_grant" in each["sql"]]


def test_a_queue_that_is_away_leaves_the_page_as_it_is(
    fleet_staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_pk: int) -> None:
        raise ConnectionError

    monkeypatch.setattr(tasks.count_rollout, "delay", away)
    assert "being counted" in page(fleet_staff, begun(), "progress")


def test_the_smallest_part_is_seen_and_no_part_is_rounded_away() -> None:
    applied, failed, silent = pictures.bar([("applied", 999_998), ("failed", 1), ("silent", 1)])
    assert failed.width == silent.width >= 3.9
    assert silent.x + silent.width == pytest.approx(1_000, abs=0.1)
    assert (applied.percent, failed.percent) == ("99.9 %", "0.1 %")
    assert [part.width for part in pictures.bar([("applied", 0), ("failed", 0)])] == [0, 0]


def test_the_stairs_go_up_at_the_instant_and_down_to_nothing(now) -> None:
    hour = timedelta(hours=1)
    steps = [(now, "begun", 0.01), (now + hour, "raised", 0.5), (now + 3 * hour, "rolled back", 0)]
    picture = pictures.stairs(steps, now=now + 4 * hour)
    assert picture.line == "0,100 0,100 0,99 250,99 250,50 750,50 750,100 1000,100"
    assert [mark.kind for mark in picture.marks] == ["begun", "raised", "rolled back"]
    assert pictures.stairs(steps[:1], now=now).line == "0,100 0,100 0,99 1000,99"


def test_an_owner_reads_of_it_where_the_car_has_it_and_the_public_once_all_have_it(
    client: Client,
) -> None:
    owner = make_user()
    car = make_car(owner)
    rollout = begun(share=1, name="Summon <3")
    mine = bucket(rollout.salt, car.vehicle.id)
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    common: dict[str, Any] = {"reason": REASON, "actor": None, "now": clock.now()}

    def read(path: str) -> bool:
        return "Summon &lt;3" in client.get(path).content.decode()

    for share in sorted({1, mine, mine + 1, 10_000} - {0}):
        if share > rollout.share:
            rollout = rollouts.raise_share(
                rollout_id=rollout.pk, seen=rollout.revision, share=share, **common
            )
        assert read(f"/garage/{car.vehicle.id}/") == (mine < share)
        assert read("/") == (share == 10_000)
