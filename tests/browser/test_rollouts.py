"""The pages of roll-outs: wide and narrow, light and dark, and the bar that moves by itself."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from billing import clock, grants
from fleet import rollouts, tasks, traits
from fleet.models import Rollout
from tests import staffed
from tests.browser.beside import EVERY, Beside, prepare
from tests.factories import Car, make_car

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser beside"),
]
REASON = "Agreed with the maps team, ticket 4711; no complaints in the forums since Monday."
CARS = 6


@pytest.fixture(autouse=True)
def _new_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that a process remembers of another test are gone with it."""
    monkeypatch.setattr(traits, "_numbers", {})


def fill() -> tuple[list[Car], int, str]:
    """Cars of which some have it, one running roll-out and one that is over, and who may do it."""
    now = clock.now().replace(microsecond=0)
    cars = [make_car(market=market) for market in ("DE", "US") * (CARS // 2)]
    for car in cars:
        grants.give(grants.Gift(car.vehicle.id, "premium", "goodwill", now, None), now=now)
    tasks.sweep()
    staff = staffed.make_staff("Fleet")
    over = begin("old_idea", "An idea that was none", staff, now - timedelta(days=9), 2_000)
    step(rollouts.roll_back, over, staff, now - timedelta(days=8))
    rollout = begin("summon", "Summon", staff, now - timedelta(days=6), 100)
    rollout = step(rollouts.raise_share, rollout, staff, now - timedelta(days=5), share=1_000)
    rollout = step(rollouts.halt, rollout, staff, now - timedelta(days=4))
    rollout = step(rollouts.raise_share, rollout, staff, now - timedelta(days=2), share=10_000)
    tasks.sweep()
    for car in cars:
        car.sign_in()
        car.check()
    for car in cars[:3]:
        car.report()
    cars[3].report("failed", reason="Map data of this region are missing")
    client = staffed.sign_in(staff)
    return cars, rollout.pk, client.cookies[settings.SESSION_COOKIE_NAME].value


def begin(feature: str, name: str, actor: Any, now: Any, share: int) -> Rollout:
    return rollouts.begin(
        feature=feature,
        name=name,
        plan="premium",
        audience={"market": ["DE", "US"], "hardware": ["mcu3"]},
        share=share,
        reason=REASON,
        actor=actor,
        now=now,
    )


def step(act: Any, rollout: Rollout, actor: Any, now: Any, **more: int) -> Rollout:
    done: Rollout = act(
        rollout_id=rollout.pk, seen=rollout.revision, reason=REASON, actor=actor, now=now, **more
    )
    return done


def hear(page: Page) -> list[str]:
    """What the console says from now on: a blocked style or script would speak there."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def look_at(page: Page, name: str) -> None:
    """It has no fault that a machine can find; PICTURES names a folder for who wants to see it."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    found, letters = page.evaluate("rules => look(rules)", EVERY)
    found += page.evaluate("numbers => unreadable(numbers)", [*range(len(letters))])
    assert not found, (name, found)


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_each_page_is_without_fault(live_server, beside: Beside, width: int, scheme: str) -> None:
    _, pk, session = fill()
    growing = begin("sentry", "Sentry view", None, clock.now(), 100).pk
    paths = ["", "begin/"]
    paths += [f"{pk}/change/", f"{growing}/raise/", f"{pk}/roll-back/", f"{pk - 1}/change/"]

    def look() -> None:
        viewport = {"width": width, "height": 900}
        page = beside.open(live_server.url, session, viewport=viewport, color_scheme=scheme)
        said = hear(page)
        prepare(page)
        for path in paths:
            page.goto(f"{live_server.url}/admin/fleet/rollout/{path}")
            assert not said, path
            look_at(page, f"{path.replace('/', '-') or 'list-'}{width}-{scheme}")
            said.clear()  # Who looks for faults sets styles of its own, which are refused.
        page.context.close()

    beside.do(look)


def test_the_bar_moves_by_itself_when_a_car_reports(live_server, beside: Beside) -> None:
    cars, pk, session = fill()
    page = beside.do(beside.open, live_server.url, session)
    said = beside.do(hear, page)

    def width() -> float:
        return float(page.locator(".bar .applied").get_attribute("width"))

    def before() -> float:
        page.goto(f"{live_server.url}/admin/fleet/rollout/{pk}/change/")
        expect(page.get_by_text("Have it: 3 (50.0 %)")).to_be_visible()
        return width()

    def after() -> float:
        page.evaluate("htmx.trigger('[data-poll]', 'seen')")
        expect(page.get_by_text("Have it: 4 (66.7 %)")).to_be_visible()
        return width()

    first = beside.do(before)
    assert cars[4].report().status_code == 204
    Rollout.objects.filter(pk=pk).update(counted_at=clock.now() - timedelta(hours=1))
    assert beside.do(after) > first
    beside.do(page.context.close)
    assert not said
