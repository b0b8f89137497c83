"""Calls about who buys and the pages on which they pay."""

from datetime import UTC, datetime, timedelta

from billing import gateway, wishes
from billing.calls.call import Call, Facts
from billing.models import Checkout, Customer, Seat


def _create_customer(request: Facts, key: str) -> Facts:
    return {"customer": gateway.create_customer(request["email"], request["payer"], key=key)}


def _keep_customer(request: Facts, answer: Facts, now: datetime) -> None:
    Customer.objects.get_or_create(
        payer_id=request["payer"],
        currency=request["currency"],
        ordinal=request["ordinal"],
        defaults={"stripe_customer_id": answer["customer"], "created_at": now},
    )


def _open_checkout(request: Facts, key: str) -> Facts:
    opened = gateway.open_checkout(**request["session"], key=key)
    return {
        "session": opened.id,
        "url": opened.url,
        "expires_at": int(opened.expires_at.timestamp()),
    }


def _keep_checkout(request: Facts, answer: Facts, now: datetime) -> None:
    checkout = Checkout.objects.select_for_update(no_key=True).get(id=request["checkout"])
    checkout.stripe_session_id, checkout.url = answer["session"], answer["url"]
    checkout.expires_at = datetime.fromtimestamp(answer["expires_at"], UTC)
    checkout.check_at = checkout.expires_at + timedelta(minutes=1)
    if checkout.state == Checkout.State.OPENING:
        checkout.state = Checkout.State.OPEN
    elif checkout.state == Checkout.State.ABANDONED:
        wishes.expire(checkout, now=now)
    checkout.save()


def _lose_checkout(request: Facts, _now: datetime) -> None:
    checkout = Checkout.objects.select_for_update(no_key=True).get(id=request["checkout"])
    Seat.objects.filter(checkout=checkout).delete()
    checkout.state = Checkout.State.EXPIRED
    checkout.save(update_fields=["state"])


def _expire_checkout(request: Facts, key: str) -> Facts:
    gateway.expire_checkout(request["session"], key=key)
    return {}


def _look_again(request: Facts, now: datetime) -> None:
    """A page that cannot be closed was paid or has run out: it is to be settled."""
    Checkout.objects.filter(id=request["checkout"]).update(check_at=now)


def _update_customer(request: Facts, key: str) -> Facts:
    """Send the address that holds now: of two changes, the later call never brings the older."""
    customer = Customer.objects.select_related("payer").get(stripe_customer_id=request["customer"])
    address = customer.payer.email
    gateway.update_customer_email(request["customer"], address, key=f"{key}:{address}")
    return {}


CREATE_CUSTOMER = Call(_create_customer, _keep_customer)
UPDATE_CUSTOMER = Call(_update_customer)
OPEN_CHECKOUT = Call(_open_checkout, _keep_checkout, _lose_checkout)
EXPIRE_CHECKOUT = Call(_expire_checkout, refused=_look_again)
