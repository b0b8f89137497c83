"""Every state of the owners' pages in a browser: light and dark, narrow and wide, no fault."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import ConsoleMessage, Page

from connectivity.specimens.page import GROUPS
from connectivity.specimens.registry import Group
from tests import staffed
from tests.browser.beside import EVERY, Beside, prepare

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]
# What depends on the width; all else is so in each look or in none, but how letters are read.
OF_WIDTH = {
    "type": "rule",
    "values": ["link-in-text-block", "target-size", "scrollable-region-focusable"],
}
HEIGHT, WIDE = 900, 1280
# Each is a step from the one before: to change a look takes longer than to look. 640 pixels of CSS
# are what 1280 are at 200 %.
LOOKS: tuple[tuple[int, Any, Any], ...] = (
    (320, "light", EVERY),
    (320, "dark", None),
    (640, "dark", None),
    (WIDE, "dark", None),
    (WIDE, "light", OF_WIDTH),
)


@dataclass
class Known:
    """What was looked at already, on any page: the same again has no new fault."""

    outlines: set[str] = field(default_factory=set)  # the elements, whatever their words
    letters: set[str] = field(default_factory=set)  # what decides whether words can be read


@pytest.fixture(scope="session")
def known() -> Known:
    return Known()


def listen(page: Page) -> list[str]:
    """What the console says from now on; what is made up is gone when a page asks for its news."""
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if not re.search("/(status|learning)/", message.location["url"]):
            said.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def show(page: Page, width: int, scheme: Any) -> None:
    """Have it in this look; each that is changed is drawn anew, even to what it was."""
    if page.viewport_size != {"width": width, "height": HEIGHT}:
        page.set_viewport_size({"width": width, "height": HEIGHT})
    if page.evaluate("scheme()") != scheme:
        page.emulate_media(color_scheme=scheme)


def faults(page: Page, name: str, looks: tuple[Any, ...], known: Known) -> list[str]:
    """What a machine finds wrong in each look; PICTURES names a folder for who wants to see it."""
    folder, wrong = os.environ.get("PICTURES"), []
    outline = page.evaluate("outline()")
    is_new = outline not in known.outlines
    known.outlines.add(outline)
    for width, scheme, rules in looks if is_new else [look for look in looks if look[0] < WIDE]:
        show(page, width, scheme)
        found, letters = page.evaluate("rules => look(rules)", rules if is_new else None)
        unread = [at for at, each in enumerate(letters) if each not in known.letters]
        known.letters.update(letters)
        found += page.evaluate("numbers => unreadable(numbers)", unread) if unread else []
        wrong += [f"at {width} px, {scheme}: {each}" for each in found]
        if folder:
            path = Path(folder) / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
    return wrong


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_no_state_has_a_fault_that_a_machine_can_find(
    live_server, beside: Beside, known: Known, group: Group
) -> None:
    client = staffed.sign_in(staffed.make_staff())
    session = client.cookies[settings.SESSION_COOKIE_NAME].value

    def every() -> list[str]:
        page = beside.open(live_server.url, session, reduced_motion="reduce")
        said, wrong = listen(page), []
        prepare(page)
        looks = LOOKS
        for state in group:
            said.clear()
            answer: Any = page.goto(f"{live_server.url}/admin/states/{state.name}/")
            found = [f"answers {answer.status}"] if answer.status != 200 else list(said)
            found += faults(page, state.name, looks, known)
            looks = looks[::-1]
            wrong += [f"{state.name}: {each}" for each in found]
        page.context.close()
        return wrong

    wrong = beside.do(every)
    assert not wrong, "\n".join(wrong)
