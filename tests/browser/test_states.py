"""Every state of the owners' pages in a browser: light and dark, narrow and wide, no fault."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.conf import settings
from playwright.sync_api import ConsoleMessage, Page

from connectivity.specimens.page import GROUPS
from connectivity.specimens.registry import Group
from tests import staffed
from tests.browser.conftest import _chromium
from tests.browser.test_rollouts import Beside

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]
AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# What depends on the width, and what on the colours; all else is so in each look or in none.
OF_WIDTH = ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]
OF_COLOUR = ["color-contrast"]
LOOKS: tuple[tuple[int, Any, dict[str, Any]], ...] = (
    (320, "light", {"type": "tag", "values": TAGS}),
    (320, "dark", {"type": "rule", "values": OF_COLOUR}),
    (1280, "dark", {"type": "rule", "values": OF_COLOUR}),
    (1280, "light", {"type": "rule", "values": OF_WIDTH}),
)
WIDTHS = (320, 640)  # 640 pixels of CSS are what 1280 are at 200 %.
FAULTS = """only => axe.run(document, {runOnly: only, resultTypes: ['violations'], iframes: false})
    .then(found => found.violations.map(each => `${each.id}: ${each.nodes[0].html}`))"""
OVERFLOW = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
# A page's elements with their classes and roles, and without what they say or lead to.
OUTLINE = """() => {
    const said = /^(href|value|content|title|src|datetime|hx-.*|id|for|d)$/
    const names = each => each.getAttributeNames().filter(name => !said.test(name))
    const outline = each => [each.tagName, each.className, names(each), !each.textContent.trim()]
    return Array.from(document.querySelectorAll('*'), outline).join()
}"""


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    browser = Beside(_chromium())
    yield browser
    browser.stop()


@pytest.fixture(scope="module")
def known() -> set[str]:
    """The outlines of what was looked at: the same elements with other words have no new fault."""
    return set()


def listen(page: Page) -> list[str]:
    """What the console says from now on; what is made up is gone when a page asks for its news."""
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if not re.search("/(status|learning)/", message.location["url"]):
            said.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def scrolls(page: Page) -> list[str]:
    """The widths at which the page that is open scrolls sideways."""
    wide = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate(OVERFLOW) > 0:
            wide.append(f"scrolls sideways at {width} px")
    return wide


def faults(page: Page, name: str) -> list[str]:
    """What a machine finds wrong in each look; PICTURES names a folder for who wants to see it."""
    folder, wrong = os.environ.get("PICTURES"), []
    for width, scheme, rules in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        wrong += [f"at {width} px, {scheme}: {each}" for each in page.evaluate(FAULTS, rules)]
        if folder:
            path = Path(folder) / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
    return wrong


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_no_state_has_a_fault_that_a_machine_can_find(
    live_server, beside: Beside, known: set[str], group: Group
) -> None:
    client = staffed.sign_in(staffed.make_staff())
    session = client.cookies[settings.SESSION_COOKIE_NAME].value

    def every() -> list[str]:
        page = beside.open(live_server.url, session)
        said, wrong = listen(page), []
        page.add_init_script(path=AXE)
        for state in group:
            said.clear()
            answer: Any = page.goto(f"{live_server.url}/admin/states/{state.name}/")
            found = [f"answers {answer.status}"] if answer.status != 200 else list(said)
            found += scrolls(page)
            outline = page.evaluate(OUTLINE)
            if outline not in known:
                known.add(outline)
                found += faults(page, state.name)
            wrong += [f"{state.name}: {each}" for each in found]
        page.context.close()
        return wrong

    assert beside.do(every) == []
