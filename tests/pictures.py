"""`make pictures`: takes the README's pictures, in a system of its own that does the main job."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.browser.test_main_job import VIN, code_on_the_screen, pay, sign_in
from tests.running import ROOT, Run, fresh_shell, started

PICTURES = ROOT / "docs" / "pictures"
LARGEST = 250_000  # bytes: a README is to open at once
PATIENCE = 20_000  # milliseconds


def main() -> None:
    """Take them, or say that there is no browser to take them with."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        sys.exit("No Chromium: install it (apt-get install chromium) or name it in CHROMIUM.")
    with (
        tempfile.TemporaryDirectory() as folder,
        started(fresh_shell(Path(folder))) as system,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        take(system, browser)
        browser.close()


def take(system: Run, browser: Browser) -> None:
    """Do the main job as the demo's owner, and take what the owner sees at its end."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 820}, locale="en-US", color_scheme="light"
    )
    page, car = context.new_page(), context.new_page()
    sign_in(page, system, "owner@demo.test")
    code = code_on_the_screen(car, system)
    page.get_by_role("link", name="Add your car").click()
    page.get_by_role("textbox", name="VIN").fill(VIN)
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Add this car").click()
    page.get_by_role("button", name=re.compile(r"\$10")).first.click()
    pay(page, "4242 4242 4242 4242")
    page.wait_for_url(f"{system.web}/garage/**")
    expect(page.get_by_text(re.compile("Active in your car"))).to_be_visible(timeout=PATIENCE)
    expect(car.locator('[data-tile="live_traffic"][data-on="true"]')).to_be_visible(
        timeout=PATIENCE
    )
    # The address without `?checkout=done`, as the owner finds it the next time.
    page.goto(page.url.partition("?")[0])
    _keep(page.screenshot(full_page=True), "owner.png")
    car.get_by_role("button", name="Done").click()
    expect(car.get_by_text("Good for")).to_be_hidden()
    # The map is as grainy as a photograph, which a PNG keeps at four times the size.
    _keep(car.screenshot(type="jpeg", quality=85), "car.jpg")
    context.close()


def _keep(picture: bytes, name: str) -> None:
    if len(picture) > LARGEST:
        raise ValueError(f"{name} would have {len(picture):,} bytes, more than {LARGEST:,}.")
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / name).write_bytes(picture)


if __name__ == "__main__":
    main()
