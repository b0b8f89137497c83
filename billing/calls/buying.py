"""Calls about who buys and the pages on which they pay."""

from datetime import UTC, datetime, timedelta

from billing import gateway, wishes
from billing.calls.call import Call, Facts
from billing.gateway import lookups
from billing.models import Checkout, Customer, Seat

OPEN_FOR_AT_MOST = timedelta(hours=24)  # Stripe's limit for a page


def _create_customer(request: Facts, key: str) -> Facts:
    return {"customer": gateway.create_customer(request["email"], _marks(request), key=key)}


def _find_customer(request: Facts, _key: str) -> Facts | None:
    marks = _marks(request)
    for customer, metadata in lookups.customers_of(request["email"]):
        if {name: metadata.get(name) for name in marks} == marks:
            return {"customer": customer}
    return None


def _marks(request: Facts) -> dict[str, str]:
    """What a customer bears at Stripe, so that it can be told from the payer's others."""
    return {name: str(request[name]) for name in ("payer", "currency", "ordinal")}


def _keep_customer(request: Facts, answer: Facts, now: datetime) -> None:
    Customer.objects.get_or_create(
        payer_id=request["payer"],
        currency=request["currency"],
        ordinal=request["ordinal"],
        defaults={"stripe_customer_id": answer["customer"], "created_at": now},
    )


def _open_checkout(request: Facts, key: str) -> Facts:
    """Open the page, if somebody still waits for it: one that nobody wants could yet be paid.

    That a page has become too old is for Stripe to say: it refuses one that ends within 30 minutes.
    """
    if not Checkout.objects.filter(id=request["checkout"], state=Checkout.State.OPENING).exists():
        raise gateway.StripeRefused("Nobody waits for this payment page any more.", "not_wanted")
    return _opened(gateway.open_checkout(**request["session"], key=key))


def _find_checkout(request: Facts, _key: str) -> Facts | None:
    terms = request["session"]
    since = datetime.fromtimestamp(terms["expires_at"], UTC) - OPEN_FOR_AT_MOST
    found = lookups.session_by_reference(terms["customer"], terms["reference"], since=since)
    return _opened(found) if found else None


def _opened(session: gateway.Session) -> Facts:
    return {
        "session": session.id,
        "url": session.url,
        "expires_at": int(session.expires_at.timestamp()),
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


def _find_expired(request: Facts, _key: str) -> Facts | None:
    status = gateway.session(request["session"]).status
    if status == "complete":
        raise gateway.StripeRefused("This payment page was paid.", "")
    return {} if status == "expired" else None


def _look_again(request: Facts, now: datetime) -> None:
    """A page that cannot be closed was paid or has run out: it is to be settled."""
    Checkout.objects.filter(id=request["checkout"]).update(check_at=now)


def _update_customer(request: Facts, key: str) -> Facts:
    """Send the address that holds now: of two changes, the later call never brings the older."""
    address = _address(request)
    gateway.update_customer_email(request["customer"], address, key=f"{key}:{address}")
    return {}


def _find_address(request: Facts, _key: str) -> Facts | None:
    return {} if lookups.email_of(request["customer"]) == _address(request) else None


def _address(request: Facts) -> str:
    customer = Customer.objects.select_related("payer").get(stripe_customer_id=request["customer"])
    return str(customer.payer.email)


CREATE_CUSTOMER = Call(_create_customer, _keep_customer, find=_find_customer)
UPDATE_CUSTOMER = Call(_update_customer, find=_find_address)
OPEN_CHECKOUT = Call(_open_checkout, _keep_checkout, _lose_checkout, _find_checkout)
EXPIRE_CHECKOUT = Call(_expire_checkout, refused=_look_again, find=_find_expired)
