"""The main job through real pages: sign in, add the car, pay, and see it in the car."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.running import Run, soon

pytestmark = [
    pytest.mark.browser,
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]

VIN = "5YJ3E1EA0KF000316"


CODE = re.compile(r"^\s*([A-Z0-9]{3,}-?[A-Z0-9]{3,})\s*$", re.MULTILINE)


def code_for(system: Run, address: str, known: int) -> str:
    """The newest sign-in code that was mailed to an address since it had `known` codes."""
    codes = soon(lambda: (found := codes_of(system, address)) and len(found) > known and found)
    assert codes, f"no code came to {address}"
    return str(codes[0])


def codes_of(system: Run, address: str) -> list[str]:
    """The codes that an address was mailed, the newest first; other mails come when they come."""
    found = (CODE.search(mail["text"]) for mail in system.mail_to(address))
    return [code[1] for code in found if code]


def sign_in(page: Page, system: Run, address: str) -> None:
    """Sign in by an emailed code, and be in the garage."""
    give_code(page, system, address)
    page.wait_for_url("**/garage/**")


def give_code(page: Page, system: Run, address: str) -> None:
    """Ask for a code by email, and type it."""
    known = len(codes_of(system, address))
    page.goto(f"{system.web}/accounts/login/")
    page.get_by_label("Email").fill(address)
    page.get_by_role("button", name="Email me a code").click()
    page.get_by_label("Code").fill(code_for(system, address, known))
    page.get_by_role("button", name="Sign in").or_(
        page.get_by_role("button", name="Continue")
    ).first.click()


def code_on_the_screen(car: Page, system: Run) -> str:
    car.goto(f"{system.sandbox}/car/")
    car.get_by_role("button", name="Connect to my account").click()
    shown = car.get_by_text(re.compile(r"^[A-Z]{4}-[A-Z]{4}$"))
    expect(shown).to_be_visible()
    return shown.inner_text()


def types(page: Page, card: str) -> None:
    """Fill in a card form of Stripe's."""
    page.get_by_label("Card number").fill(card)
    page.get_by_label("Expiration").fill("12 / 49")
    page.get_by_label("CVC").fill("123")
    page.get_by_label("Cardholder name").fill("Card Holder")


def pay(page: Page, card: str) -> None:
    types(page, card)
    page.get_by_role("button", name="Subscribe").click()


def test_the_main_job(page: Page, context, system: Run) -> None:
    car = context.new_page()
    system.free_the_car()
    sign_in(page, system, "owner@demo.test")

    code = code_on_the_screen(car, system)
    page.get_by_role("link", name="Add your car").click()
    page.get_by_role("textbox", name="VIN").fill(VIN.lower())
    page.get_by_role("textbox", name="Code").fill(code.lower())
    page.get_by_role("button", name="Add this car").click()
    expect(page.get_by_text("Standard Connectivity")).to_be_visible()

    # The car may be told, but is kept from saying so.
    car.get_by_text("Sandbox controls").click()
    car.get_by_role("button", name="Hold reports").click()

    page.get_by_role("button", name=re.compile(r"\$10")).first.click()
    page.wait_for_url(f"{system.sandbox}/c/pay/**")
    pay(page, "4000 0000 0000 0002")
    expect(page.get_by_role("alert")).to_contain_text("declined")
    pay(page, "4242 4242 4242 4242")

    page.wait_for_url(f"{system.web}/garage/**")
    expect(page.get_by_text("Active", exact=True)).to_be_visible(timeout=20_000)
    expect(car.get_by_text("Premium", exact=True).first).to_be_visible(timeout=20_000)
    expect(page.get_by_text(re.compile("^Sent"))).to_be_visible(timeout=20_000)
    page.reload()
    assert "active in your car" not in page.inner_text("main").lower()

    car.get_by_role("button", name="Release reports").click()
    expect(page.get_by_text(re.compile("Active in your car"))).to_be_visible(timeout=20_000)
    mails = soon(lambda: [m for m in system.mail_to("owner@demo.test") if "active" in m["subject"]])
    assert len(mails) == 1
