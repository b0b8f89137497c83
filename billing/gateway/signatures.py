"""Decides whether a webhook's body comes from Stripe; must never know what it says."""

import contextlib
import json
from typing import Any

import stripe
from django.conf import settings

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
    event = json.loads(body)
    if not isinstance(event, dict) or not isinstance(event.get("id"), str):
        raise ValueError("The body is signed but is no event.")
    return event
