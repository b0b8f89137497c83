"""The only speaker of Stripe (API 2026-10-28.endive); returns our own frozen values.

It must never decide anything, read a row or retry a refusal. Each call that changes something
takes an idempotency key, so that the same call made twice is made once.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import stripe
from django.conf import settings

from billing.gateway import values
from billing.gateway.signatures import SignatureInvalid, verified_event
from billing.gateway.values import Invoice, Price, Refund, Session, Subscription

__all__ = [
    "API_VERSION",
    "GONE",
    "Invoice",
    "Price",
    "Refund",
    "Session",
    "SignatureInvalid",
    "StripeAway",
    "StripeRefused",
    "Subscription",
    "verified_event",
]

API_VERSION = stripe._api_version._ApiVersion.CURRENT  # noqa: SLF001 -- public nowhere else
GONE = "resource_missing"  # Stripe's code for what was deleted, or never was
TIMEOUT = (2, 4)  # seconds to connect and to answer: a person is waiting
RETRIES = 1  # the sweep and the next click are the others


class StripeAway(Exception):
    """Stripe did not answer, or asked us to come later; the same call with the same key is safe."""


class StripeRefused(Exception):
    """Stripe refused the call for good; `code` is Stripe's own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def prices(lookup_keys: list[str]) -> list[Price]:
    """Return the active prices with these lookup keys."""
    with _speaking():
        found = _client().v1.prices.list({"lookup_keys": lookup_keys, "active": True, "limit": 100})
        return [values.price(price) for price in found.data]


def create_product(plan: str, name: str, *, key: str) -> str:
    """Create the product of a plan and return its id."""
    with _speaking():
        product = _client().v1.products.create(
            {"name": name, "metadata": {"plan": plan}}, {"idempotency_key": key}
        )
        return product.id


def create_price(
    product: str, lookup_key: str, currency: str, unit_amount: int, interval: str, *, key: str
) -> Price:
    """Create a recurring price for a product."""
    with _speaking():
        price = _client().v1.prices.create(
            {
                "product": product,
                "lookup_key": lookup_key,
                "transfer_lookup_key": True,
                "currency": currency,
                "unit_amount": unit_amount,
                "recurring": {"interval": interval},
            },
            {"idempotency_key": key},
        )
        return values.price(price)


def create_customer(email: str, payer: str, *, key: str) -> str:
    """Create a customer for a payer and return its id."""
    with _speaking():
        customer = _client().v1.customers.create(
            {"email": email, "metadata": {"payer": payer}}, {"idempotency_key": key}
        )
        return customer.id


def update_customer_email(customer: str, email: str, *, key: str) -> None:
    """Let Stripe write to another address from now on."""
    with _speaking():
        _client().v1.customers.update(customer, {"email": email}, {"idempotency_key": key})


def open_checkout(
    *,
    customer: str,
    price: str,
    reference: str,
    success_url: str,
    cancel_url: str,
    expires_at: int,
    trial_end: int | None,
    key: str,
) -> Session:
    """Open a hosted payment page for one subscription; `reference` is ours, returned in events.

    With `trial_end` (Unix seconds, at least 48 hours ahead) the first charge is made then.
    """
    terms: Any = {"metadata": {"checkout": reference}}
    if trial_end is not None:
        terms["trial_end"] = trial_end
    with _speaking():
        session = _client().v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": customer,
                "line_items": [{"price": price, "quantity": 1}],
                "client_reference_id": reference,
                "metadata": {"checkout": reference},
                "subscription_data": terms,
                "success_url": success_url,
                "cancel_url": cancel_url,
                "expires_at": expires_at,
            },
            {"idempotency_key": key},
        )
        return values.session(session)


def session(session_id: str) -> Session:
    """Return a Checkout Session as it is now."""
    with _speaking():
        return values.session(_client().v1.checkout.sessions.retrieve(session_id))


def session_of_subscription(subscription_id: str) -> Session | None:
    """Return the Checkout Session that made a subscription; None if none did."""
    with _speaking():
        found = _client().v1.checkout.sessions.list({"subscription": subscription_id, "limit": 1})
        return values.session(found.data[0]) if found.data else None


def expire_checkout(session_id: str, *, key: str) -> None:
    """Close a payment page; one that is closed already is no error. A paid one is refused."""
    with _speaking():
        _client().v1.checkout.sessions.expire(session_id, {}, {"idempotency_key": key})


def subscription(subscription_id: str) -> Subscription:
    """Fetch a subscription, its card and all its invoices."""
    with _speaking():
        found = _client().v1.subscriptions.retrieve(
            subscription_id, {"expand": ["default_payment_method"]}
        )
        invoices = _client().v1.invoices.list({"subscription": subscription_id, "limit": 100})
        return values.subscription(
            found, tuple(values.invoice(invoice) for invoice in invoices.auto_paging_iter())
        )


def cancel_subscription(subscription_id: str, *, key: str) -> None:
    """End a subscription at once, without a final invoice; an ended one is no error."""
    with _speaking():
        try:
            _client().v1.subscriptions.cancel(
                subscription_id, {"invoice_now": False, "prorate": False}, {"idempotency_key": key}
            )
        except stripe.InvalidRequestError as error:
            if error.code != GONE:
                raise


def set_renewal(subscription_id: str, *, renews: bool, key: str) -> None:
    """Let a subscription renew, or end with its period; no error if it is so, but if it has ended.

    The Customer Portal schedules an end as an instant, which is cleared in a call of its own form.
    """
    change: Any = {"cancel_at_period_end": not renews}
    with _speaking():
        found = _client().v1.subscriptions.retrieve(subscription_id)
        ends = bool(found.cancel_at or found.cancel_at_period_end)
        if ends != renews and found.status != "canceled":
            return
        if renews and not found.cancel_at_period_end:
            # Stripe takes one of the two in a call, and one form of call per key.
            change, key = {"cancel_at": ""}, f"{key}:cancel_at"
        _client().v1.subscriptions.update(subscription_id, change, {"idempotency_key": key})


def payments_of_invoice(invoice_id: str) -> list[str]:
    """Return the ids of the payment intents that paid an invoice."""
    with _speaking():
        found = _client().v1.invoice_payments.list({"invoice": invoice_id, "status": "paid"})
        payments = (payment.payment.payment_intent for payment in found.data)
        return [values.id_of(payment) for payment in payments if payment]


def refunds(payment_intent: str) -> list[Refund]:
    """Return what of a payment was given back, or is on its way back."""
    with _speaking():
        found = _client().v1.refunds.list({"payment_intent": payment_intent, "limit": 100})
        made = [values.refund(one) for one in found.auto_paging_iter()]
        return [one for one in made if one.status not in ("failed", "canceled")]


def refund(payment_intent: str, amount: int, *, key: str) -> str:
    """Give back that much of a payment to the card it came from; return the refund's id."""
    with _speaking():
        made = _client().v1.refunds.create(
            {"payment_intent": payment_intent, "amount": amount, "metadata": {"intent": key}},
            {"idempotency_key": key},
        )
        return made.id


@functools.cache
def _client_for(key: str, base: str) -> stripe.StripeClient:
    stripe.enable_telemetry = False
    addresses: Any = {"base_addresses": {"api": base}} if base else {}
    return stripe.StripeClient(
        key,
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=TIMEOUT),
        **addresses,
    )


def _client() -> stripe.StripeClient:
    return _client_for(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@contextlib.contextmanager
def _speaking() -> Iterator[None]:
    try:
        yield
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise StripeRefused(str(error.user_message or error), error.code or "") from error
    except stripe.StripeError as error:  # Away, busy, or our key is wrong just now: it passes.
        raise StripeAway(str(error)) from error
