"""The main job over plain HTTP, as a script would do it: no browser, no JavaScript."""

import html
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from tests.running import Run, soon

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]

OWNER = "plain@demo.test"
VIN = "5YJ3E1EA0KF000316"


@dataclass
class Person:
    """Somebody with cookies who reads pages and sends their forms."""

    session: requests.Session = field(default_factory=requests.Session)
    page: requests.Response = field(default_factory=requests.Response)

    def open(self, url: str) -> str:
        self.page = self.session.get(url, timeout=15)
        assert self.page.status_code == 200, self.page.text[:2000]
        return self.text()

    def send(self, action: str, **fields: Any) -> str:
        """Send the form of the page whose action ends like this, with its hidden fields."""
        forms = re.findall(r"<form\b.*?</form>", self.page.text, re.DOTALL)
        form = next(form for form in forms if self._action(form).endswith(action))
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
        values = {name: html.unescape(value) for name, value in hidden} | fields
        self.page = self.session.post(
            self._action(form), values, timeout=15, headers={"Referer": self.page.url}
        )
        return self.text()

    def _action(self, form: str) -> str:
        named = re.search(r'<form[^>]*\baction="([^"]*)"', form)
        return urljoin(self.page.url, html.unescape(named[1]) if named else "")

    def text(self) -> str:
        """What the page says, without its marks."""
        plain = re.sub(r"<[^>]+>", " ", self.page.text)
        return " ".join(html.unescape(plain).split())


def sign_up(person: Person, system: Run) -> None:
    person.open(f"{system.web}/accounts/signup/")
    person.send("/signup/", email=OWNER)
    mails = soon(lambda: system.mail_to(OWNER))
    code = re.search(r"^\s*([A-Z0-9]{3,}-?[A-Z0-9]{3,})\s*$", mails[0]["text"], re.MULTILINE)
    assert code, mails[0]["text"]
    person.send("/confirm-email/", code=code[1])
    assert "/garage/" in person.page.url, person.text()


def test_the_main_job_over_http(system: Run) -> None:
    person = Person()
    sign_up(person, system)
    system.free_the_car()

    system.press("pairing")
    code = soon(lambda: system.car()["pairing"]["code"])
    person.open(f"{system.web}/garage/add/")
    said = person.send("/add/", vin=VIN, code=code)
    assert "Standard Connectivity" in said
    garage = person.page.url

    system.press("hold-reports")
    person.send("/subscribe/", lookup_key="premium_monthly_usd")
    assert "/c/pay/" in person.page.url, person.text()
    card = {"cardExpiry": "12/49", "cardCvc": "123", "billingName": "Card Holder"}
    said = person.send(person.page.url, cardNumber="4242424242424242", **card)
    assert "checkout=done" in person.page.url
    assert "Active in your car" not in said

    said = soon(lambda: "Next charge" in (text := person.open(garage)) and text)
    assert "Active" in said
    assert "$10.00" in said
    assert "4242" in said
    assert soon(lambda: system.car()["plan"] == "premium", 10)
    assert "Active in your car" not in person.open(garage)

    system.press("release-reports")
    assert soon(lambda: "Active in your car" in person.open(garage), 20), person.text()
    assert "$10.00" in person.open(f"{system.web}/billing/invoices/")
