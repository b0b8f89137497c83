"""Five journeys through every process: pages, signed webhooks, Celery, and the car's own check.

They share one system, its one car and its clock, so each begins with a new account and a car that
nobody has. What follows from what to the second is stated in tests/journeys.
"""

import re

import pytest

from tests.acceptance.test_main_job import VIN, Person
from tests.running import Run, soon

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]

MONTHLY = "premium_monthly_usd"
GOOD, FAILS_LATER = "4242424242424242", "4000000000000341"
TO_THE_RENEWAL = "31d2h"  # A month has at most 31 days, and is charged an hour after its end.


class Driver(Person):
    """Somebody with an account and the system's one car."""

    def __init__(self, system: Run, name: str) -> None:
        super().__init__()
        self.system, self.email, self.garage = system, f"{name}@demo.test", ""

    def signs_up(self) -> None:
        """Make an account, with the code from the mailbox."""
        self.open(f"{self.system.web}/accounts/signup/")
        self.send("/signup/", email=self.email)
        mails = soon(lambda: self.system.mail_to(self.email))
        code = re.search(r"^\s*([A-Z0-9]{3,}-?[A-Z0-9]{3,})\s*$", mails[0]["text"], re.MULTILINE)
        assert code, mails[0]["text"]
        self.send("/confirm-email/", code=code[1])
        assert "/garage/" in self.page.url, self.text()

    def adds_the_car(self) -> None:
        """Have the car show its code, and type it in."""
        self.system.press("pairing")
        code = soon(lambda: self.system.car()["pairing"]["code"])
        self.open(f"{self.system.web}/garage/add/")
        assert "Standard Connectivity" in self.send("/add/", vin=VIN, code=code)
        self.garage = self.page.url

    def subscribes(self) -> None:
        """Pay for a month."""
        self.open(self.garage)
        self.send("/subscribe/", lookup_key=MONTHLY)
        self.fills_in(GOOD)
        self.reads("Next charge $10.00")
        assert self.plan("premium")

    def fills_in(self, card: str) -> str:
        """Fill in the card form of the page that is open, and send it."""
        action = "/card" if "/p/session/" in self.page.url else self.page.url
        typed = {"cardExpiry": "12/49", "cardCvc": "123", "billingName": "Card Holder"}
        return self.send(action, cardNumber=card, **typed)

    def changes_the_card(self, card: str) -> None:
        """Go to Stripe's page for it from the car's page."""
        self.open(self.garage)
        self.send("/portal/", card="1")
        assert "/p/session/" in self.page.url, self.text()
        self.fills_in(card)

    def goes(self, name: str) -> str:
        """Open one of the car's further pages."""
        return self.open(f"{self.garage}{name}/")

    def reads(self, words: str) -> str:
        """Look at the car's page until it says this."""
        said = soon(lambda: words in (text := self.open(self.garage)) and text, 30)
        assert said, f"{words!r} is not on the page: {self.text()}"
        return str(said)

    def plan(self, plan: str) -> bool:
        """Whether the car itself comes to see this plan."""
        return bool(soon(lambda: self.system.car()["plan"] == plan, 20))

    def invoices(self, count: int) -> bool:
        """Whether so many are listed soon."""
        page = f"{self.system.web}/billing/invoices/"
        return bool(soon(lambda: self.open(page).count(" PDF ") == count, 20))

    def gets(self, subject: str) -> bool:
        """Whether a mail with this in its subject comes soon."""
        return bool(
            soon(lambda: any(subject in each["subject"] for each in self._mails()), seconds=20)
        )

    def _mails(self) -> list[dict[str, str]]:
        return self.system.mail_to(self.email)


@pytest.fixture
def driver(system: Run, request: pytest.FixtureRequest) -> Driver:
    """Somebody who has just signed up, has added the car and has paid for a month.

    Whoever wants the car next takes it from them, which ends what they pay.
    """
    driver = Driver(system, request.node.name.removeprefix("test_").replace("_", "-"))
    driver.signs_up()
    system.free_the_car()
    driver.adds_the_car()
    driver.subscribes()
    return driver


def advance(system: Run, by: str) -> None:
    """Let so much time pass, for all processes."""
    done = system.manage("advance_clock", by)
    assert done.returncode == 0, done.stderr


def test_renewal_after_a_month(driver: Driver) -> None:
    assert driver.invoices(1)

    advance(driver.system, TO_THE_RENEWAL)

    assert driver.invoices(2)
    driver.reads("Next charge $10.00")
    assert driver.plan("premium")


def test_cancel_undo_and_cancel_at_period_end(driver: Driver) -> None:
    driver.goes("cancel")
    assert "Ends on" in driver.send("/cancel/")
    assert driver.gets("is cancelled for your")
    driver.reads("Ends on")
    assert "Next charge $10.00" in driver.send("/keep/")
    driver.goes("cancel")
    assert "Ends on" in driver.send("/cancel/")
    assert driver.system.car()["plan"] == "premium"

    advance(driver.system, TO_THE_RENEWAL)

    assert driver.plan("standard")
    driver.reads("Subscribe for $10 a month")
    assert driver.invoices(1)


def test_payment_fails_is_retried_and_recovers(driver: Driver) -> None:
    driver.changes_the_card(FAILS_LATER)

    advance(driver.system, TO_THE_RENEWAL)

    driver.reads("Payment failed")
    assert driver.gets("has failed")
    assert driver.system.car()["plan"] == "premium"  # By grace.
    driver.changes_the_card(GOOD)
    advance(driver.system, "3d1h")  # Then Stripe tries again.
    driver.reads("Next charge $10.00")
    assert driver.invoices(2)
    assert driver.plan("premium")


def test_car_is_sold(driver: Driver) -> None:
    driver.goes("release")

    driver.send("/release/")

    assert driver.plan("standard")
    assert driver.gets("has left your garage")
    assert driver.gets("We have sent back $")
    assert soon(lambda: "paid back" in driver.open(f"{driver.system.web}/billing/invoices/"), 20)
    buyer = Driver(driver.system, "buyer-of-it")
    buyer.signs_up()
    buyer.adds_the_car()
    assert "Subscribe for $10 a month" in buyer.open(buyer.garage)
    buyer.subscribes()
    assert buyer.gets("is active")
    assert driver.session.get(driver.garage, timeout=15).status_code == 404


def test_switch_to_yearly(driver: Driver) -> None:
    shown = driver.goes("switch")
    due = re.search(r"Pay (\$[\d.]+) and switch", shown)
    assert due, shown

    driver.send("/switch/")

    driver.reads("Next charge $100.00")
    assert soon(lambda: due[1] in driver.open(f"{driver.system.web}/billing/invoices/"), 20)
    assert driver.invoices(2)
    assert driver.plan("premium")
