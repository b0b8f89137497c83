"""People with a browser and a card, who know of the system only what its pages show.

They press what they see: an act fails if the page does not offer it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from django.urls import reverse

from tests.factories import Car, body, make_user
from tests.journeys.world import World

GOOD = "4242424242424242"
DECLINED = "4000000000000002"
ASKS = "4000002500003155"  # 3-D Secure: the bank asks first
ASKS_EACH_TIME = "4000002760003184"  # … and refuses when nobody is there to answer
FAILS_LATER = "4000000000000341"  # accepted, then declined whenever it is charged
SIGNED_IN_FOR = timedelta(days=1)


def page(car: Car, name: str = "car") -> str:
    """The address of one of a car's pages."""
    return reverse(f"garage:{name}", args=[car.vehicle.id])


@dataclass
class Person:
    """Somebody with an account; `at` is the page of Stripe's on which they are."""

    name: str
    world: World
    user: Any = field(default=None)
    at: str = ""
    _browser: Client | None = None
    _signed_in_at: datetime | None = None

    def __post_init__(self) -> None:
        """Have an account."""
        self.user = self.user or make_user(f"{self.name}@example.com")

    def __str__(self) -> str:
        """Their name."""
        return self.name

    @property
    def browser(self) -> Client:
        """A browser in which they are signed in; sessions end, so they sign in again."""
        now = self.world.now
        if self._signed_in_at is None or now - self._signed_in_at > SIGNED_IN_FOR:
            self._browser, self._signed_in_at = Client(), now
            backend = "allauth.account.auth_backends.AuthenticationBackend"
            self._browser.force_login(self.user, backend=backend)
        assert self._browser is not None
        return self._browser

    def sees(self, url: str) -> str:
        """Open a page and read it."""
        answer = self.browser.get(url)
        assert answer.status_code == 200, f"{url} answers {answer.status_code}"
        return answer.content.decode()

    def opens_checkout(self, car: Car, lookup_key: str) -> None:
        """Press a price on the car's page and come to Stripe's."""
        shown = self.sees(page(car))
        assert f'action="{page(car, "subscribe")}"' in shown, "Nothing is on sale for this car."
        assert f'value="{lookup_key}"' in shown, f"{lookup_key} is not on sale for this car."
        form = {"lookup_key": lookup_key}
        if 'name="start_now"' in shown:
            form["start_now"] = "1"
        answer = self.browser.post(page(car, "subscribe"), form)
        assert answer.status_code == 303, f"No payment page: {answer.status_code}"
        self.at = answer.headers["Location"]

    def pays(self, card: str = GOOD) -> str:
        """Fill in the card; return what is read next, on Stripe's page or back at ours."""
        form = {
            "cardNumber": card,
            "cardExpiry": "12 / 49",
            "cardCvc": "123",
            "billingName": "Card Holder",
        }
        return self._sends(form)

    def confirms(self) -> str:
        """Say yes on the bank's page."""
        return self._sends({"answer": "confirm"})

    def refuses(self) -> str:
        """Say no on the bank's page."""
        return self._sends({"answer": "refuse"})

    def cancels(self, car: Car) -> str:
        """Follow the link on the car's page, then press the button."""
        assert f'href="{page(car, "cancel")}"' in self.sees(page(car)), "Nothing to cancel."
        assert 'method="post"' in self.sees(page(car, "cancel"))
        return self._presses(page(car, "cancel"))

    def keeps(self, car: Car) -> str:
        """Undo the cancellation."""
        assert f'action="{page(car, "keep")}"' in self.sees(page(car)), "Nothing to undo."
        return self._presses(page(car, "keep"))

    def releases(self, car: Car) -> str:
        """Take the car out of the garage."""
        assert f'href="{page(car, "release")}"' in self.sees(page(car))
        return self._presses(page(car, "release"))

    def adds(self, car: Car) -> str:
        """Have the car show its code, and type it in."""
        car.sign_in()
        code = body(car.call("POST", "/vehicle/v1/pairing"))["user_code"]
        return self._presses("/garage/add/", vin=car.vehicle.vin, code=code)

    def _presses(self, url: str, **form: str) -> str:
        answer = self.browser.post(url, form, follow=True)
        assert answer.status_code == 200, f"{url} answers {answer.status_code}"
        self.world.settle()
        return answer.content.decode()

    def _sends(self, form: dict[str, str]) -> str:
        """Send a form of Stripe's; then follow where it leads, there or back to the product."""
        answer = self.world.visit(self.at, form)
        self.world.settle()
        if answer.status_code != 303:
            return answer.get_data(as_text=True)
        self.at = answer.headers["Location"]
        if self.at.startswith("http://testserver"):
            shown = self.sees(self.at)
            self.world.settle()
            return shown
        return self.world.visit(self.at).get_data(as_text=True)
