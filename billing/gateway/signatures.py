"""Decides whether a webhook's body comes from Stripe; must never know what it says."""

import contextlib
import json
import math
from typing import Any

import stripe
from django.conf import settings

LONGEST_ID = 255  # characters
SIGNATURE_TOLERANCE = 300  # seconds, either way


class SignatureInvalid(Exception):
    """The body was not signed by Stripe with one of our secrets, or not just now."""


def verified_event(body: bytes, signature: str, *, wall: int) -> dict[str, Any]:
    """Return the event in a webhook's body; `wall` is the machine's own Unix time.

    Raises SignatureInvalid, or ValueError for a signed body that is no event.
    """
    if not signature.isascii():
        raise SignatureInvalid("A signature is plain ASCII.")
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        with contextlib.suppress(stripe.SignatureVerificationError, UnicodeDecodeError):
            stripe.WebhookSignature.verify_header(body, signature, secret, SIGNATURE_TOLERANCE)
            break
    else:
        raise SignatureInvalid("No signature of ours fits this body and time.")
    # The library looks back in time only; a signature from the future is as suspicious.
    stamps = (part[2:] for part in signature.split(",") if part.startswith("t="))
    if int(next(stamps)) > wall + SIGNATURE_TOLERANCE:
        raise SignatureInvalid("The signature comes from the future.")
    return _event(body)


def _event(body: bytes) -> dict[str, Any]:
    """Read an event; one that PostgreSQL could not store is none. Raises ValueError."""
    try:
        event = json.loads(body, parse_constant=_no_number, parse_float=_finite)
        text = json.dumps(event, ensure_ascii=False)
        text.encode()  # A lone surrogate is no text.
    except RecursionError:
        raise ValueError("The body is nested too deeply.") from None
    if "\\u0000" in text or not isinstance(event, dict):
        raise ValueError("The body is signed but is no event.")
    stripe_id = event.get("id")
    if not isinstance(stripe_id, str) or not 0 < len(stripe_id) <= LONGEST_ID:
        raise ValueError("The body is signed but is no event.")
    return event


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)
