"""A car changes hands between two browsers; its buyer pays, and withdraws while signed out.

Its camera clips are the owner's to allow.
"""

import re
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.test_main_job import VIN, code_for, code_on_the_screen, pay, sign_in
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


def withdraws_while_signed_out(theirs: Page, system: Run, buyer: str) -> None:
    """Subscribe for a car that was made for Germany, sign out, and have the money back."""
    its_page = theirs.url.partition("?")[0]
    theirs.get_by_label("I ask you to begin at once.").check()
    theirs.get_by_role("button", name="Subscribe for €10 a month").click()
    theirs.wait_for_url(f"{system.sandbox}/c/pay/**")
    pay(theirs, "4242 4242 4242 4242")
    theirs.wait_for_url(f"{system.web}/garage/**")
    expect(theirs.get_by_text("Active", exact=True)).to_be_visible(timeout=PATIENCE)
    theirs.goto(f"{system.web}/accounts/logout/")
    theirs.get_by_role("main").get_by_role("button", name="Sign out").click()

    theirs.get_by_role("link", name="Withdraw from contract here").click()
    expect(theirs).to_have_url(f"{system.web}/withdraw/")
    theirs.get_by_label("Your name").fill("Jo Doe")
    theirs.get_by_label("Email address").fill(buyer)
    theirs.get_by_label("VIN or contract number").fill(VIN)
    theirs.get_by_role("button", name="Confirm withdrawal").click()
    expect(theirs.get_by_role("heading", name="We have received your withdrawal")).to_be_visible()
    said = re.search(r"\w{3} \d+, \d{4}, \d\d:\d\d:\d\d UTC", theirs.inner_text("main"))
    assert said, theirs.inner_text("main")
    receipt = soon(lambda: told(system, buyer, "Receipt: we have received your withdrawal"))[0]
    assert said[0] in receipt["text"]

    link = re.search(r"http\S+/withdraw/\S+", receipt["text"])
    assert link, receipt["text"]
    theirs.goto(link[0])
    theirs.get_by_role("button", name="It was me: carry it out now").click()
    expect(theirs.get_by_role("status")).to_contain_text("Confirmed.")
    # All of it: of a month, minutes are gone, and they are reckoned in the payer's favour.
    assert soon(lambda: told(system, buyer, "We have sent back €10.00"))
    sign_in(theirs, system, buyer)
    theirs.goto(its_page)
    expect(theirs.get_by_text("Contract withdrawn on")).to_be_visible()
    theirs.goto(f"{system.web}/billing/invoices/")
    expect(theirs.get_by_text("€10.00 paid back")).to_be_visible()


def test_clips_the_car_passes_on_and_its_buyer_withdraws_while_signed_out(
    page: Page, context: BrowserContext, other: BrowserContext, system: Run
) -> None:
    car, seller = context.new_page(), "owner@demo.test"
    system.free_the_car(market="DE")
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

    withdraws_while_signed_out(theirs, system, buyer)
