"""Calls that change a price, or delete a customer; told of when Stripe has confirmed it."""

from datetime import UTC, datetime

from billing import wishes
from billing.backoff import next_try
from billing.calls.call import Call, Facts, note, seen_from
from billing.gateway import StripeRefused, changes, customers
from billing.models import Customer, Intent


def _switch(request: Facts, key: str) -> Facts:
    _check_wanted(request["subscription"])
    at = datetime.fromtimestamp(request["proration_date"], UTC)
    made = changes.change_price(request["subscription"], request["price"], at, key=key)
    return _answer(made) | seen_from(request)


def _check_wanted(stripe_id: str) -> None:
    """Whoever has asked for its end meanwhile is not charged; that wish may wait for Stripe too."""
    end = wishes.ends([stripe_id]).get(stripe_id)
    ends = end is not None and not wishes.is_refused(end)
    stops = Intent.objects.filter(idempotency_key__startswith=f"renewal:{stripe_id}:")
    newest = stops.order_by("-id").first()
    waits = newest is not None and newest.answered_at is None and not newest.request["renews"]
    if waits or ends:
        raise StripeRefused("Its end was asked for: its price is not changed any more.", "ending")


def _find_switch(request: Facts, _key: str) -> Facts | None:
    price, pending = changes.price_of(request["subscription"])
    if price != request["price"] and not pending:
        return None
    return _answer(changes.change_so_far(request["subscription"])) | seen_from(request)


def _answer(made: changes.Change) -> Facts:
    return {
        "pending": made.pending,
        "amount": made.charged,
        "currency": made.currency,
        "pay_url": made.pay_url,
    }


def note_switch(request: Facts, answer: Facts, now: datetime) -> None:
    """What waits for a payment has not happened yet: billing.switching follows it up."""
    if not answer["pending"]:
        facts = {name: answer[name] for name in ("amount", "currency")}
        prices = {name: request[name] for name in ("from", "to")}
        note("switched", request["subscription"], now=now, **prices, **facts)


def _switch_at_end(request: Facts, key: str) -> Facts:
    _check_wanted(request["subscription"])
    ends_at = datetime.fromtimestamp(request["at"], UTC)
    changes.change_price_at_end(request["subscription"], request["price"], ends_at, key=key)
    return seen_from(request)


def _find_switch_at_end(request: Facts, _key: str) -> Facts | None:
    price, _ = changes.price_of(request["subscription"])
    return seen_from(request) if price == request["price"] else None


def _note_switch_at_end(request: Facts, _answer: Facts, now: datetime) -> None:
    at = datetime.fromtimestamp(request["at"], UTC).isoformat()
    prices = {name: request[name] for name in ("from", "to")}
    note("switch_scheduled", request["subscription"], now=now, at=at, **prices)


def _delete_customer(request: Facts, key: str) -> Facts:
    customers.delete_customer(request["customer"], key=key)
    return {}


def _find_deleted(request: Facts, _key: str) -> Facts | None:
    return {} if customers.is_deleted(request["customer"]) else None


def _note_deleted(request: Facts, _answer: Facts, now: datetime) -> None:
    Customer.objects.filter(stripe_customer_id=request["customer"]).update(gone_at=now)


def _wait(request: Facts, now: datetime) -> None:
    """Who is to be forgotten is not given up: it stands still for people to see.

    Stripe is asked again under a fresh key, for to this one it repeats its refusal.
    """
    for intent in Intent.objects.filter(idempotency_key=f"delete:{request['customer']}"):
        intent.answered_at, intent.answer = None, None
        intent.next_attempt_at = next_try(intent.attempts, now)
        intent.attempts += 1
        intent.generation += 1
        intent.save()


SWITCH_PRICE = Call(_switch, note_switch, find=_find_switch)
SWITCH_AT_END = Call(_switch_at_end, _note_switch_at_end, find=_find_switch_at_end)
DELETE_CUSTOMER = Call(_delete_customer, _note_deleted, _wait, _find_deleted)
