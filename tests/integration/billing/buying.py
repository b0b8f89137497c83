"""What tests of buying share."""

from typing import Any

from billing import checkout, clock
from tests.factories import Car

MONTHLY, YEARLY = "premium_monthly_usd", "premium_yearly_usd"


def start(payer: Any, car: Car, lookup_key: str = MONTHLY) -> str:
    """Open the payment page of a car, or come back to it."""
    return checkout.start(
        payer=payer,
        subject_id=car.vehicle.id,
        lookup_key=lookup_key,
        currency=lookup_key[-3:],
        return_url="http://localhost/back",
        cancel_url="http://localhost/left",
        still_may=lambda: None,
        now=clock.now(),
    )
