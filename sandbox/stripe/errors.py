"""Stripe's error bodies: the types, codes and words that a client of Stripe's would meet."""

from typing import Any


class StripeError(Exception):
    """A refusal in Stripe's form."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        named = {"code": code, "param": param, **details}
        self.error = {
            "message": message,
            "type": kind,
            **{name: value for name, value in named.items() if value is not None},
        }

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": self.error}


class DeclinedError(StripeError):
    """A card that was not charged: the answer is a refusal, and what was tried stays written."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, status=402, kind="card_error", **details)


def no_such(noun: str, object_id: str, param: str = "id") -> StripeError:
    """An id that names nothing here."""
    return StripeError(
        f"No such {noun}: '{object_id}'",
        # Stripe answers 404 for the object that the address names and 400 for one in a parameter.
        status=404 if param == "id" else 400,
        code="resource_missing",
        param=param,
    )


def unknown_url(method: str, path: str) -> StripeError:
    """An address that Stripe, or this sandbox, does not serve."""
    return StripeError(
        f"Unrecognized request URL ({method}: {path}). The sandbox serves the operations that a "
        f"subscription business uses; see sandbox/stripe/operations.",
        status=404,
    )


def bad_key(key: str) -> StripeError:
    """A missing, live or foreign API key."""
    if not key:
        words = (
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    elif key.startswith(("sk_live_", "rk_live_")):
        words = (
            "This is a sandbox and you sent a LIVE secret key to it. Roll that key in Stripe's "
            "dashboard if this was not your own machine, and use a key that begins with sk_test_."
        )
    else:
        words = (
            f"Invalid API Key provided: {key[:8]}****. Use a key that begins with sk_test_ here."
        )
    return StripeError(words, status=401)
