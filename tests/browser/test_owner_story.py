"""An owner's whole story in a browser, with a passkey and no other way in; mostly by keyboard.

On the way a renewal fails, and another card pays what is due.
"""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_main_job import VIN, code_for, code_on_the_screen, pay, types
from tests.browser.test_staff_door import with_an_authenticator
from tests.running import Run, soon

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]
ADDRESS = "passkey@demo.test"


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name has the focus; nobody should need many."""
    wanted = page.get_by_label(name).or_(page.get_by_role("button", name=name))
    wanted = wanted.or_(page.get_by_role("link", name=name)).first
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    pytest.fail(f"The keyboard does not come to {name!r}.")


def by_keyboard(page: Page, name: str) -> None:
    tab_to(page, name)
    page.keyboard.press("Enter")


def signs_up(page: Page, system: Run) -> None:
    """With a passkey: the code confirms the address, and no page asks for a password."""
    page.goto(f"{system.web}/accounts/signup/passkey/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    skip.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, "Email")
    page.keyboard.type(ADDRESS)
    by_keyboard(page, "Continue")
    page.get_by_label("Code").fill(code_for(system, ADDRESS, 0))
    page.keyboard.press("Enter")
    by_keyboard(page, "Create passkey")
    page.wait_for_url("**/garage/**")


def signs_in(page: Page, system: Run) -> None:
    """By the passkey alone."""
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{system.web}/accounts/login/")
    by_keyboard(page, "Sign in with a passkey")
    page.wait_for_url("**/garage/**")


def adds_the_car(page: Page, code: str) -> None:
    by_keyboard(page, "Add your car")
    expect(page.get_by_role("textbox", name="VIN")).to_be_focused()
    page.keyboard.type(VIN)
    tab_to(page, "Code on the car's screen")
    expect(page.get_by_text("of the model year 2019")).to_be_visible()
    expect(page.get_by_role("textbox", name="Code")).to_be_focused()
    page.keyboard.type(code)
    by_keyboard(page, "Add this car")
    expect(page.get_by_text("Standard Connectivity")).to_be_visible()


def card_fails_and_a_new_one_pays(page: Page, system: Run) -> None:
    """The renewal fails; what is to be done stands on the page, and another card pays at once."""
    page.get_by_role("button", name="Card and payments").click()
    enters(page, "4000 0000 0000 0341")
    page.get_by_role("link", name="Back").click()
    page.wait_for_url("**/garage/**")
    done = system.manage("advance_clock", "31d2h")  # A month, and the hour until it is charged.
    assert done.returncode == 0, done.stderr
    its_page = page.url
    assert soon(lambda: page.goto(its_page) and page.get_by_text("Payment failed").count(), 20)
    expect(page.get_by_text("Premium stays on until")).to_be_visible()
    page.goto(f"{system.web}/garage/")
    expect(page.get_by_text("Payment failed")).to_be_visible()
    page.get_by_role("link", name="Model 3").click()
    page.get_by_role("button", name="Update card").click()
    enters(page, "5555 5555 5555 4444")
    page.wait_for_url("**/garage/**")
    paid = page.get_by_text("Mastercard •4444")
    assert soon(lambda: page.goto(its_page) and paid.count(), 20)
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    expect(page.get_by_text("Payment failed")).to_have_count(0)


def enters(page: Page, card: str) -> None:
    """Give Stripe's page another card to charge."""
    page.wait_for_url("**/p/session/**")
    types(page, card)
    page.get_by_role("button", name="Save card").click()


def test_an_owner_with_nothing_but_a_passkey(context: BrowserContext, system: Run) -> None:
    system.free_the_car()
    car = context.new_page()
    page = with_an_authenticator(context)
    signs_up(page, system)
    signs_in(page, system)
    adds_the_car(page, code_on_the_screen(car, system))

    by_keyboard(page, "Subscribe for $10 a month")
    page.wait_for_url(f"{system.sandbox}/c/pay/**")
    pay(page, "4242 4242 4242 4242")
    page.wait_for_url(f"{system.web}/garage/**")
    expect(page.get_by_text("Active", exact=True)).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Active in your car")).to_be_visible(timeout=20_000)

    # Cancelled with two clicks, and undone with one.
    page.get_by_role("link", name="Cancel Premium").click()
    page.get_by_role("button", name="Cancel Premium").click()
    expect(page.get_by_text(re.compile("^Ends on"))).to_be_visible()
    page.get_by_role("button", name="Keep Premium").click()
    expect(page.get_by_text("Active", exact=True)).to_be_visible()

    card_fails_and_a_new_one_pays(page, system)

    page.get_by_role("link", name="Switch to yearly").click()
    charged = page.locator("dd strong").inner_text()
    page.get_by_role("button", name="and switch").click()
    expect(page.get_by_text("Switched.")).to_be_visible()
    page.goto(f"{system.web}/billing/invoices/")
    expect(page.get_by_text(charged).first).to_be_visible()

    page.goto(f"{system.web}/accounts/close/")
    if "reauthenticate" in page.url:
        page.get_by_role("button", name=re.compile("passkey", re.IGNORECASE)).click()
        page.wait_for_url("**/accounts/close/")
    page.get_by_role("button", name="Close it now, for good").click()
    page.wait_for_url("**/accounts/login/**")
    expect(page.get_by_role("status")).to_contain_text("account is being closed")
