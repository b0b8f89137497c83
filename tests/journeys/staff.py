"""A member of staff, who acts through the admin's own pages: opens a row, follows a button, sends.

An act fails if the row's page does not offer it.
"""

import html
import re
from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from django.urls import reverse

from billing.models import Grant, Invoice, StripeEvent, Subscription
from fleet.models import Vehicle
from tests import staffed
from tests.factories import Car
from tests.journeys.world import World

REASON = "Called on Monday; letter and papers seen."
SECOND_FACTOR_HOLDS = timedelta(hours=11)


class Staff:
    """Somebody of the staff, a superuser unless a group is named."""

    def __init__(self, world: World, group: str = "") -> None:
        self.user = staffed.make_staff(group)
        self._world = world
        self._browser: Client | None = None
        self._signed_in_at: datetime | None = None

    @property
    def browser(self) -> Client:
        """A browser in which the second factor was shown today."""
        now = self._world.now
        if self._signed_in_at is None or now - self._signed_in_at > SECOND_FACTOR_HOLDS:
            self._browser, self._signed_in_at = staffed.sign_in(self.user), now
        assert self._browser is not None
        return self._browser

    def sees(self, row: Any) -> str:
        """Open a row's page."""
        meta = row._meta
        return self.reads(
            reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
        )

    def reads(self, url: str) -> str:
        """Open a page of the admin."""
        answer = self.browser.get(url)
        assert answer.status_code == 200, f"{url} answers {answer.status_code}"
        return html.unescape(answer.content.decode())

    def offered(self, row: Any, action: str) -> bool:
        """Whether the row's page has a button for it."""
        return f'href="{_address(row, action)}"' in self.sees(row)

    def asked(self, action: str, row: Any) -> str:
        """Read what a row's button would do."""
        return self.reads(_address(row, action))

    def does(self, action: str, row: Any, **form: Any) -> str:
        """Follow a row's button, fill the page in and send it; return what is read then."""
        url = _address(row, action)
        assert self.offered(row, action), f"The page of {row} offers no {action}."
        token = re.search(r'name="token" value="([^"]+)"', self.asked(action, row))
        sent = {"reason": REASON, **({"token": token[1]} if token else {}), **form}
        answer = self.browser.post(url, sent, follow=True)
        assert answer.status_code == 200, f"{url} answers {answer.status_code}"
        self._world.settle()
        return html.unescape(answer.content.decode())

    def cancels(self, subscription: Subscription, refund: str) -> str:
        """End it now; `refund` is none, unused or full."""
        return self.does("cancel_now", subscription, refund=refund)

    def refunds(self, invoice: Invoice, amount: str) -> str:
        """Pay a part of an invoice back."""
        return self.does("refund", invoice, amount=amount)

    def extends(self, subscription: Subscription, days: int) -> str:
        """Make the paid time longer for a repair."""
        return self.does("extend", subscription, days=days)

    def adopts(self, subscription: Subscription, car: Car, email: str) -> str:
        """Say which car it is for, and who pays."""
        return self.does("adopt", subscription, car=car.vehicle.vin, email=email)

    def gives(self, car: Car, days: int, *, begins: str = "now") -> str:
        """Give days of Premium, from `now` or `afterwards`."""
        return self.does("goodwill", _vehicle(car), days=days, begins=begins)

    def ends(self, gift: Grant) -> str:
        """End a gift early."""
        return self.does("end", gift)

    def retires(self, car: Car) -> str:
        """Take the car out of service."""
        return self.does("retire", _vehicle(car), vin=car.vehicle.vin[-6:])

    def reinstates(self, car: Car) -> str:
        """Put it back into service."""
        return self.does("reinstate", _vehicle(car))

    def reads_again(self, event: StripeEvent) -> str:
        """Have a parked event read as if it had come just now."""
        return self.does("read_again", event)


def _vehicle(car: Car) -> Vehicle:
    return Vehicle.objects.get(pk=car.vehicle.pk)


def _address(row: Any, action: str) -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{action}", args=[row.pk])
