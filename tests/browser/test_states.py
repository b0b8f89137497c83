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

from connectivity.specimens.page import STATES
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
# Colours are all that differs between the schemes.
OF_COLOUR = ["color-contrast", "link-in-text-block"]
LOOKS: dict[Any, dict[str, Any]] = {
    "light": {"type": "tag", "values": TAGS},
    "dark": {"type": "rule", "values": OF_COLOUR},
}
FAULTS = """only => axe.run(document, {runOnly: only, resultTypes: ['violations'], iframes: false})
    .then(found => found.violations.map(each => `${each.id}: ${each.nodes[0].html}`))"""
OVERFLOW = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
WIDTHS = (320, 1280)
ZOOMED = 640  # CSS pixels: what 1280 are at 200 %


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    browser = Beside(_chromium())
    yield browser
    browser.stop()


def listen(page: Page) -> list[str]:
    """What the console says from now on; what is made up is gone when a page asks for its news."""
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if not re.search("/(status|learning)/", message.location["url"]):
            said.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def look(page: Page, name: str) -> list[str]:
    """What is wrong with the page that is open; PICTURES names a folder for who wants to see it."""
    folder, wrong = os.environ.get("PICTURES"), []
    for width in (ZOOMED, *WIDTHS):
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate(OVERFLOW) > 0:
            wrong.append(f"{name} scrolls sideways at {width} px")
        for scheme, rules in LOOKS.items() if width in WIDTHS else ():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            faults = page.evaluate(FAULTS, rules)
            wrong += [f"{name} at {width} px, {scheme}: {each}" for each in faults]
            if folder:
                path = Path(folder) / f"{name}-{width}-{scheme}.png"
                page.screenshot(path=path, full_page=True)
    return wrong


def test_no_state_has_a_fault_that_a_machine_can_find(live_server, beside: Beside) -> None:
    client = staffed.sign_in(staffed.make_staff())
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    wanted = os.environ.get("STATES", "").split(",")
    names = [name for name in STATES if any(each in name for each in wanted)]

    def every() -> list[str]:
        page = beside.open(live_server.url, session)
        said, wrong = listen(page), []
        page.add_init_script(path=AXE)
        for name in names:
            said.clear()
            answer: Any = page.goto(f"{live_server.url}/admin/states/{name}/")
            if answer.status != 200:
                wrong.append(f"{name} answers {answer.status}")
                continue
            wrong += [f"{name} says: {each}" for each in said]
            wrong += look(page, name)
        page.context.close()
        return wrong

    assert beside.do(every) == []
