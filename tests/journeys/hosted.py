"""Fills in the payment page that Stripe itself hosts, in a real browser.

It knows the names of that page's fields and nothing of what ought to follow. Nobody has run it
yet: Stripe may ask for more (a country, a postal code), and may change its page any day.
"""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, Route, sync_playwright
from playwright.sync_api import TimeoutError as TimedOut

from tests.chromium import MISSING, find

FIELDS = ("cardNumber", "cardExpiry", "cardCvc", "billingName")
OURS = "http://testserver"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--no-first-run"]
PATIENCE = 60_000  # milliseconds until Stripe has taken a card or said why not

Answer = tuple[int, str, dict[str, str]]


def visit(url: str, form: dict[str, str] | None) -> Answer:
    """Read the page, or send its form: the page, or a redirect to where it led."""
    with _browser() as page:
        page.goto(url, wait_until="networkidle")
        if form is None:
            return 200, page.content(), {}
        if "answer" in form:
            pytest.skip("The bank's question at Stripe is answered on the page that asked for it.")
        for name in FIELDS:
            page.locator(f"#{name}").fill(form[name])
        page.get_by_test_id("hosted-payment-submit-button").click()
        with contextlib.suppress(TimedOut):
            page.wait_for_url(f"{OURS}/**", timeout=PATIENCE)
        if page.url.startswith(OURS):
            return 303, "", {"Location": page.url}
        return 200, page.content(), {}


@contextlib.contextmanager
def _browser() -> Iterator[Page]:
    path = find()
    if not path:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page(locale="en-US")
        page.route(f"{OURS}/**", _take_back)
        try:
            yield page
        finally:
            browser.close()


def _take_back(route: Route, _request: Request) -> None:
    """Our site is no server in a journey: the person opens its page in the journey's own way."""
    route.fulfill(status=200, body="Back at the shop.")
