"""A browser that runs beside a test's own server, and what each page is asked that it shows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import axe_playwright_python
from django.conf import settings
from playwright.sync_api import Page, sync_playwright

AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))
QUESTIONS = Path(__file__).with_name("faults.js")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
EVERY = {"type": "tag", "values": TAGS}


def prepare(page: Page) -> None:
    """Have each document that it opens from now on be ready to be asked."""
    page.add_init_script(path=AXE)
    page.add_init_script(path=QUESTIONS)


class Beside:
    """A browser in a thread of its own: its event loop would keep this one from the database."""

    def __init__(self, executable: str, arguments: list[str]) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.do(self._start, executable, arguments)

    def do(self, what: Callable[..., Any], *given: Any) -> Any:
        """Do something in the browser's thread."""
        return self._thread.submit(what, *given).result()

    def stop(self) -> None:
        """End both."""
        self.do(self._browser.close)
        self.do(self._playwright.stop)
        self._thread.shutdown()

    def _start(self, executable: str, arguments: list[str]) -> None:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=executable, args=arguments)

    def open(self, url: str, session: str, **look: Any) -> Page:
        """A tab of somebody who is signed in; in the browser's thread."""
        context = self._browser.new_context(locale="en-US", **look)
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": session, "url": url}])
        return context.new_page()
