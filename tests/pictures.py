"""`make pictures`: takes the pictures of README and docs/pages.md, in a system of its own.

The main job is done in it once, by hand as it were; each page is taken where an owner comes by it.
"""

import base64
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.test_main_job import VIN, code_on_the_screen, pay, sign_in
from tests.chromium import ARGUMENTS, MISSING, find
from tests.running import ROOT, Run, fresh_shell, started

PICTURES = ROOT / "docs" / "pictures"
SOCIAL = ROOT / "connectivity" / "static" / "img" / "social.jpg"
LARGEST = 250_000  # bytes: a README is to open at once
ALL = 2_500_000  # bytes
PATIENCE = 60_000  # milliseconds
SCREENS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
    "desktop": {"viewport": {"width": 1280, "height": 820}},
}
SCHEMES: Sequence[Any] = ("light", "dark")
# What a link's picture elsewhere leaves out: what changes, and what is below the fold.
NOT_SOCIAL = ".ribbon, .top nav, .actions, .price, .foot, .landing > :not(.hero)"


def main() -> None:
    """Take them, or say that there is no browser to take them with."""
    chromium = find()
    if not chromium:
        sys.exit(MISSING)
    with (
        tempfile.TemporaryDirectory() as folder,
        started(fresh_shell(Path(folder))) as system,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        take(system, browser)
        browser.close()
    together = sum(picture.stat().st_size for picture in PICTURES.iterdir())
    if together > ALL:
        sys.exit(f"docs/pictures has {together:,} bytes, more than {ALL:,}.")


def take(system: Run, browser: Browser) -> None:
    """Do the main job as the demo's owner, and take what the owner sees on the way."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 820}, locale="en-US", color_scheme="light"
    )
    context.set_default_timeout(PATIENCE)
    page, car = context.new_page(), context.new_page()
    _before(context, system)
    sign_in(page, system, "owner@demo.test")
    code = code_on_the_screen(car, system)
    portray(context, f"{system.web}/garage/add/", "add")
    page.get_by_role("link", name="Add your car").click()
    page.get_by_role("textbox", name="VIN").fill(VIN)
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Add this car").click()
    expect(page.get_by_role("button", name=re.compile(r"\$10")).first).to_be_visible()
    portray(context, page.url, "car-standard")
    page.get_by_role("button", name=re.compile(r"\$10")).first.click()
    pay(page, "4242 4242 4242 4242")
    page.wait_for_url(f"{system.web}/garage/**")
    expect(page.get_by_text(re.compile("Active in your car"))).to_be_visible(timeout=PATIENCE)
    expect(car.locator('[data-tile="live_traffic"][data-on="true"]')).to_be_visible(
        timeout=PATIENCE
    )
    # The address without `?checkout=done`, as the owner finds it the next time.
    page.goto(page.url.partition("?")[0])
    _after(context, system, page.url)
    _keep(page.screenshot(), "owner.png")
    car.get_by_role("button", name="Done").click()
    expect(car.get_by_text("Good for")).to_be_hidden()
    # The map is as grainy as a photograph, which a PNG keeps at four times the size.
    _keep(car.screenshot(type="jpeg", quality=85), "car.jpg")
    context.close()


def _before(context: BrowserContext, system: Run) -> None:
    """What anybody sees."""
    portray(context, f"{system.web}/", "landing")
    portray(context, f"{system.web}/accounts/login/", "sign-in")
    portray(context, f"{system.web}/kuendigen/", "contracts")
    _social(context, system)


def _after(context: BrowserContext, system: Run, car: str) -> None:
    """What an owner sees who has paid."""
    portray(context, car, "car-premium")
    portray(context, f"{car}cancel/", "cancel")
    portray(context, f"{car}switch/", "switch")
    portray(context, f"{system.web}/garage/", "garage")
    portray(context, f"{system.web}/billing/invoices/", "invoices")


def portray(context: BrowserContext, url: str, name: str) -> None:
    """Take a page on a phone and on a desk, light and dark, as whoever `context` is sees it."""
    assert context.browser
    for screen, shape in SCREENS.items():
        for scheme in SCHEMES:
            look = context.browser.new_context(
                **shape, locale="en-US", color_scheme=scheme, reduced_motion="reduce"
            )
            look.set_default_timeout(PATIENCE)
            look.add_cookies(context.cookies())  # type: ignore[arg-type] # what it gave
            page = look.new_page()
            _open(page, url)
            _keep(_webp(page), f"{name}-{screen}-{scheme}.webp")
            look.close()


def _open(page: Page, url: str) -> None:
    """Show a page in its own letters: it takes them only if they are there at once."""
    page.goto(url)
    page.evaluate("document.fonts.load('1rem Geist')")
    answer = page.reload()
    assert answer is not None
    assert answer.ok, url


def _webp(page: Page) -> bytes:
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": 72})
    return base64.b64decode(taken["data"])


def _social(context: BrowserContext, system: Run) -> None:
    """What stands beside a link to the site elsewhere: the head of its first page."""
    assert context.browser
    page = context.browser.new_page(
        viewport={"width": 1200, "height": 630}, color_scheme="dark", locale="en-US"
    )
    _open(page, f"{system.web}/")
    page.evaluate("all => document.querySelectorAll(all).forEach(e => e.remove())", NOT_SOCIAL)
    SOCIAL.write_bytes(page.screenshot(type="jpeg", quality=80))
    page.close()


def _keep(picture: bytes, name: str) -> None:
    if len(picture) > LARGEST:
        raise ValueError(f"{name} would have {len(picture):,} bytes, more than {LARGEST:,}.")
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / name).write_bytes(picture)


if __name__ == "__main__":
    main()
