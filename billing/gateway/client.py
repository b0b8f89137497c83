"""How we speak to Stripe: one client, with patience that fits a person, and what its errors mean.

It must never retry a refusal, nor say that something did not happen when nobody knows.
"""

import contextlib
import functools
import http
from collections.abc import Iterator
from typing import Any

import stripe
from django.conf import settings

API_VERSION = stripe._api_version._ApiVersion.CURRENT  # noqa: SLF001 -- public nowhere else
DISPUTED = "charge_disputed"  # Stripe's code for a payment that a bank holds
GONE = "resource_missing"  # Stripe's code for what was deleted, or never was
TIMEOUT = (2, 4)  # seconds to connect and to answer: a person is waiting
RETRIES = 1  # the sweep and the next click are the others


class StripeAway(Exception):
    """Stripe did not answer, or asked us to come later; the same call with the same key is safe."""


class StripeFailed(StripeAway):
    """Stripe answered with a failure of its own, which it repeats to this key for 24 hours.

    What was asked for may have been done nevertheless.
    """


class StripeRefused(Exception):
    """Stripe refused the call for good; `code` is Stripe's own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


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


def api() -> stripe.StripeClient:
    """The SDK's client, with the key and the address that are set now."""
    return _client_for(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@contextlib.contextmanager
def speaking() -> Iterator[None]:
    """Turn Stripe's errors into ours."""
    try:
        yield
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise StripeRefused(str(error.user_message or error), error.code or "") from error
    except stripe.IdempotencyError as error:
        # In use is the first call, on its way; else the key was used for another form of call.
        kind = StripeAway if error.http_status == http.HTTPStatus.CONFLICT else StripeFailed
        raise kind(str(error)) from error
    except stripe.APIError as error:
        raise StripeFailed(str(error)) from error
    except stripe.StripeError as error:  # Away, busy, or our key is wrong just now: it passes.
        raise StripeAway(str(error)) from error
