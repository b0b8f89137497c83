"""A car changes hands between two browsers, and its camera clips are the owner's to allow."""

import re
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.test_main_job import VIN, code_for, code_on_the_screen, sign_in
from tests.running import Run, soon

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]
PATIENCE = 20_000  # milliseconds


@pytest.fixture
def other(chromium: Browser) -> Iterator[BrowserContext]:
    """Somebody else's browser."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    context.set_default_timeout(15_000)
    yield context
    context.close()


def clips(car: Page, words: str) -> None:
    """Wait until the car's screen says so of its camera clips."""
    expect(car.locator('[data-text="clips"]')).to_have_text(words, timeout=PATIENCE)


def told(system: Run, address: str, subject: str) -> list[dict]:
    """The mails to an address with this in their subject."""
    return [each for each in system.mail_to(address) if subject in each["subject"]]


def test_clips_are_allowed_and_the_car_passes_to_a_new_account(
    page: Page, context: BrowserContext, other: BrowserContext, system: Run
) -> None:
    car, seller = context.new_page(), "owner@demo.test"
    system.free_the_car()
    sign_in(page, system, seller)
    code = code_on_the_screen(car, system)
    page.goto(f"{system.web}/garage/add/")
    page.get_by_role("textbox", name="VIN").fill(VIN)
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Add this car").click()
    clips(car, "None")

    page.get_by_role("button", name="Allow clips").click()
    # By itself: the page asks until the car has said it.
    expect(page.get_by_text("Your car has confirmed it and may send clips.")).to_be_visible(
        timeout=PATIENCE
    )
    clips(car, "May be sent")

    buyer = f"buyer-{uuid.uuid4().hex[:8]}@example.test"
    page.get_by_role("link", name=re.compile("Pass it on")).click()
    page.get_by_label("Email address").fill(buyer)
    page.get_by_role("button", name="Offer the car").click()
    expect(page.get_by_role("heading", name="You have offered this car")).to_be_visible()
    letters = soon(lambda: system.mail_to(buyer))
    link = re.search(r"http\S+/garage/offers/\S+", letters[0]["text"])
    assert link, letters[0]["text"]

    theirs = other.new_page()
    theirs.goto(link[0])
    theirs.get_by_role("link", name="Create an account").click()
    theirs.get_by_label("Email address").fill(buyer)
    theirs.get_by_role("button", name=re.compile("account|code", re.IGNORECASE)).first.click()
    theirs.get_by_label("Code").fill(code_for(system, buyer, 0))
    theirs.get_by_role("button", name=re.compile("Confirm|Continue")).first.click()
    theirs.get_by_role("button", name="Accept the car").click()
    expect(theirs.get_by_text("The car is yours now.")).to_be_visible()
    expect(theirs.get_by_text("Not allowed")).to_be_visible()
    clips(car, "None")  # What the seller had allowed has ended, in the car as well.

    page.goto(f"{system.web}/garage/")
    expect(page.get_by_role("link", name="Model 3")).to_have_count(0)
    assert soon(lambda: told(system, seller, "left your garage"))
    assert soon(lambda: told(system, buyer, "is in your garage"))
