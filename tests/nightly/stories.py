"""People who buy, cancel, keep, sell and renew over HTTP while processes die under their hands.

A person whose page does not come presses again, as people do, and never more than that: what should
have happened in the end is stated by findings.py.
"""

import dataclasses
import itertools
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from django.conf import settings
from django.db import connections
from django.test import Client

from billing import clock
from billing.models import Grant, Intent, Seat, Subscription
from fleet.models import Ownership
from tests.factories import Car, make_car, make_user

TOKEN = "a" * 32
PATIENCE = 240.0  # seconds for one act to have its effect, however often it is interrupted
CARD = {
    "cardNumber": "4242424242424242",
    "cardExpiry": "12 / 49",
    "cardCvc": "123",
    "billingName": "Card Holder",
}


@dataclasses.dataclass(frozen=True)
class Story:
    """What a person does before and after a month has passed."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def acts(self) -> tuple[str, ...]:
        """All that the person does."""
        return self.before + self.after

    @property
    def renews(self) -> bool:
        """Whether the month's end finds a subscription that goes on."""
        return "renew" in self.after

    @property
    def lives(self) -> bool:
        """Whether a subscription is alive at the end."""
        return self.renews and "release" not in self.after


STORIES = (
    Story("buys, renews", ("buy",), ("renew",)),
    Story("buys, cancels, comes to the end", ("buy", "cancel")),
    Story("buys, cancels, keeps, renews", ("buy", "cancel", "keep"), ("renew",)),
    Story("buys, releases the car", ("buy", "release")),
    Story("buys, renews, cancels", ("buy",), ("renew", "cancel")),
    Story("buys, renews, cancels, keeps", ("buy",), ("renew", "cancel", "keep")),
    Story("buys, renews, releases the car", ("buy",), ("renew", "release")),
)


class Stuck(Exception):
    """An act had no effect in all the time that it was given."""


@dataclasses.dataclass
class Journey:
    """One person, one car, one story."""

    story: Story
    webs: "itertools.cycle[str]"
    user: Any = None
    car: Car | None = None
    cookies: dict[str, str] = dataclasses.field(default_factory=dict)
    interrupted: int = 0
    trouble: str = ""

    def begin(self) -> None:
        """Come to have an account and a car, and sign in."""
        self.user = make_user()
        self.car = make_car(self.user)
        browser = Client()
        backend = "allauth.account.auth_backends.AuthenticationBackend"
        browser.force_login(self.user, backend=backend)
        name = settings.SESSION_COOKIE_NAME
        signed_in = browser.cookies[name].value
        self.cookies = {name: signed_in, settings.CSRF_COOKIE_NAME: TOKEN}

    def live(self, acts: tuple[str, ...]) -> None:
        """Do these, one after the other, each until it has its effect."""
        for act in acts:
            if not self.trouble:
                try:
                    getattr(self, f"_{act}")()
                except Stuck as stuck:
                    self.trouble = f"{act}: {stuck}"

    def _buy(self) -> None:
        url = self._pressed("subscribe", lookup_key="premium_monthly_usd", until=self._at_stripe)
        requests.post(url, CARD, timeout=60, allow_redirects=False).raise_for_status()
        self._soon("Premium", Grant.objects.filter(subject_id=self._subject).exists)

    def _renew(self) -> None:
        """Do nothing, until the next month is paid: who cancels before it has nothing left."""
        self._soon("paid month", lambda: self._mirror().paid_through > clock.now())

    def _cancel(self) -> None:
        self._pressed("cancel", until=self._taken)
        self._soon("an end", lambda: self._mirror().ends_at is not None and self._quiet())

    def _keep(self) -> None:
        self._pressed("keep", until=self._taken)
        self._soon("no end", lambda: self._mirror().ends_at is None and self._quiet())

    def _release(self) -> None:
        self._pressed("release", until=self._released)
        # Or else the month would pass before Stripe has heard of it.
        self._soon("end at Stripe", self._is_told)

    def _is_told(self) -> bool:
        mine = Subscription.objects.get(subject_id=self._subject).stripe_subscription_id
        waiting = Intent.objects.filter(request__subscription=mine, answered_at=None)
        return not waiting.exists()

    @property
    def _subject(self) -> Any:
        assert self.car is not None
        return self.car.vehicle.id

    def _mirror(self) -> Any:
        seat = Seat.objects.select_related("subscription").get(subject_id=self._subject)
        return seat.subscription

    def _quiet(self) -> bool:
        """Whether no wish of this person waits for Stripe: they would be pressing too early."""
        prefix = f"renewal:{self._mirror().stripe_subscription_id}:"
        waiting = Intent.objects.filter(idempotency_key__startswith=prefix, answered_at=None)
        return not waiting.exists()

    def _at_stripe(self, answer: requests.Response | None) -> str:
        to = answer.headers.get("Location", "") if answer is not None else ""
        return to if "/c/pay/" in to else ""

    def _taken(self, answer: requests.Response | None) -> str:
        """The site has answered as it does when it has noted a wish."""
        return "yes" if answer is not None and answer.status_code == 302 else ""

    def _released(self, _answer: requests.Response | None) -> str:
        owns = Ownership.objects.filter(vehicle_id=self._subject, ends_at=None).exists()
        return "" if owns else "yes"

    def _pressed(
        self, button: str, *, until: Callable[[requests.Response | None], str], **form: str
    ) -> str:
        """Press a button of the car's page until it is taken; what `until` made of the answer."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._post(button, form)
            if found := until(answer):
                return found
            self.interrupted += 1
            if time.monotonic() > deadline:
                raise Stuck(f"the site does not take it: {_told(answer)}")
            time.sleep(0.5)

    def _post(self, button: str, form: dict[str, str]) -> requests.Response | None:
        """Send a form to either web; None if the connection broke."""
        url = f"{next(self.webs)}/garage/{self._subject}/{button}/"
        try:
            return requests.post(
                url,
                form,
                headers={"X-CSRFToken": TOKEN},
                cookies=self.cookies,
                timeout=30,
                allow_redirects=False,
            )
        except requests.RequestException:
            return None

    def _soon(self, what: str, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not check():
            if time.monotonic() > deadline:
                raise Stuck(f"no {what} after {PATIENCE:g} s")
            time.sleep(0.3)


def _told(answer: requests.Response | None) -> str:
    if answer is None:
        return "no answer"
    words = re.sub(r"<[^>]+>|\s+", " ", answer.text)
    return f"{answer.status_code} {answer.headers.get('Location', '')} {words[:300]}"


class Crowd:
    """Journeys that are lived several at once."""

    def __init__(self, at_once: int, may_begin: Callable[[int], bool]) -> None:
        self._at_once = at_once
        self._may_begin = may_begin
        self._lock = threading.Lock()
        self.begun = 0
        self.done = 0

    def start(self, journeys: list[Journey], part: str) -> list[threading.Thread]:
        """Let all of them do what they do in this part of their stories."""
        waiting = iter(journeys)
        threads = [
            threading.Thread(target=self._live, args=(waiting, part)) for _ in range(self._at_once)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _live(self, waiting: Any, part: str) -> None:
        try:
            while (journey := self._next(waiting)) is not None:
                while not self._may_begin(self.begun):
                    time.sleep(0.1)
                try:
                    if journey.car is None:
                        journey.begin()
                    journey.live(getattr(journey.story, part))
                except Exception as error:  # noqa: BLE001 -- it is found, and the others go on
                    journey.trouble = f"{type(error).__name__}: {error}"
                self.done += 1
        finally:
            connections.close_all()

    def _next(self, waiting: Any) -> Journey | None:
        with self._lock:
            self.begun += 1
            return next(waiting, None)
