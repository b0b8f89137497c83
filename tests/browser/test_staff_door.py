"""The staff's pages open with a passkey and not without: in a real browser, with a real passkey."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_main_job import VIN, give_code, sign_in
from tests.running import Run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]


def with_an_authenticator(context: BrowserContext) -> Page:
    """A tab of a device that can make passkeys and whose person always agrees."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def test_staff_add_a_passkey_and_are_in(context: BrowserContext, system: Run) -> None:
    page = with_an_authenticator(context)
    blocked: list[str] = []
    page.on(
        "console",
        lambda said: blocked.append(said.text) if "Content Security" in said.text else None,
    )
    sign_in(page, system, "staff@demo.test")

    page.goto(f"{system.web}/admin/fleet/vehicle/")
    expect(page.get_by_role("heading", name="One more step for staff")).to_be_visible()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_role("button", name=re.compile("passkey", re.IGNORECASE)).click()
    page.wait_for_url(lambda url: "/add/" not in url)

    context.clear_cookies()  # From now on an emailed code alone is not enough.
    give_code(page, system, "staff@demo.test")
    page.get_by_role("button", name=re.compile("passkey", re.IGNORECASE)).click()
    page.wait_for_url("**/garage/**")

    page.goto(f"{system.web}/admin/fleet/vehicle/")
    page.get_by_role("textbox").last.fill(VIN[-6:])
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"{VIN[:4]}{'•' * 9}{VIN[-4:]}").click()
    expect(page.get_by_text(VIN, exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    expect(page.get_by_role("link", name="Replace the car's key")).to_be_visible()
    assert not blocked
