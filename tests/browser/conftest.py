"""A headless Chromium, from the system; it speaks HTTP to the running system and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.browser.beside import Beside
from tests.chromium import ARGUMENTS, MISSING, find

RESULTS = Path(__file__).parents[2] / "test-results"


def _chromium() -> str:
    found = find()
    if not found:
        pytest.skip(MISSING)
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, started once a module: Playwright keeps an event loop running while it lives."""
    path = _chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def beside() -> Iterator[Beside]:
    """A browser in a thread of its own, whose event loop is in nobody's way: one for all tests."""
    browser = Beside(_chromium(), ARGUMENTS)
    yield browser
    browser.stop()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh profile: no cookies, nothing remembered."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(15_000)
    expect.set_options(timeout=15_000)
    yield context
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Keep a picture of every tab of a test that failed, in test-results/."""
    report = yield
    context = getattr(item, "funcargs", {}).get("context")
    if report.when == "call" and report.failed and context is not None:
        RESULTS.mkdir(exist_ok=True)
        for number, page in enumerate(context.pages):
            page.screenshot(path=RESULTS / f"{item.name}-{number}.png", full_page=True)
    return report


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab whose console must stay silent: a blocked style or script would speak there."""
    said: list[str] = []
    page = context.new_page()

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"{message.type}: {message.text}")

    page.on("console", listen)
    page.on("pageerror", lambda error: said.append(f"page error: {error}"))
    yield page
    assert not said, said
