"""Knows what Stripe's test card numbers mean; a number never leaves this module."""

import dataclasses
import hashlib


@dataclasses.dataclass(frozen=True)
class Decline:
    """Why a bank says no, in Stripe's codes and words."""

    code: str
    message: str
    decline_code: str | None = None
    # Whether the same card may well work later.
    passing: bool = False


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What a test card does."""

    brand: str = "visa"
    funding: str = "credit"
    # Declined when it is first used; never attached.
    decline: Decline | None = None
    # Accepted when it is set up, declined whenever it is charged.
    charge_decline: Decline | None = None
    # Declined when it is charged while its owner is away.
    renewal_decline: Decline | None = None
    authenticate: bool = False

    def asks(self, *, off_session: bool) -> bool:
        """Whether the bank wants its cardholder to confirm this charge."""
        return self.renewal_decline is not None or (self.authenticate and not off_session)


@dataclasses.dataclass(frozen=True)
class Card:
    """A test card without its number: what a payment method may show, and how it behaves."""

    brand: str
    funding: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str
    behaviour: Behaviour


class CardRefusedError(Exception):
    """The card's details cannot be right; `field` is the one to correct."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _declined(decline_code: str, message: str, *, passing: bool = False) -> Decline:
    return Decline("card_declined", message, decline_code, passing)


_GENERIC = _declined("generic_decline", "Your card was declined.", passing=True)
_LOST = _declined("lost_card", "Your card was declined.")
_STOLEN = _declined("stolen_card", "Your card was declined.")
_FUNDS = _declined("insufficient_funds", "Your card has insufficient funds.", passing=True)
_EXPIRED = Decline("expired_card", "Your card has expired.")
_CVC = Decline("incorrect_cvc", "Your card's security code is incorrect.", passing=True)
_PROCESSING = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    passing=True,
)
_ASKS = _declined(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    passing=True,
)
NOT_AUTHENTICATED = Decline(
    "payment_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment "
    "method and try again.",
    passing=True,
)

# The numbers and their meanings are those of https://docs.stripe.com/testing.
_TEST_CARDS = {
    "4242424242424242": Behaviour(),
    "4000056655665556": Behaviour(funding="debit"),
    "5555555555554444": Behaviour("mastercard"),
    "2223003122003222": Behaviour("mastercard"),
    "5200828282828210": Behaviour("mastercard", "debit"),
    "5105105105105100": Behaviour("mastercard", "prepaid"),
    "378282246310005": Behaviour("amex"),
    "371449635398431": Behaviour("amex"),
    "6011111111111117": Behaviour("discover"),
    "3056930009020004": Behaviour("diners"),
    "3566002020360505": Behaviour("jcb"),
    "6200000000000005": Behaviour("unionpay"),
    "4000000000000002": Behaviour(decline=_GENERIC),
    "4000000000009995": Behaviour(decline=_FUNDS),
    "4000000000009987": Behaviour(decline=_LOST),
    "4000000000009979": Behaviour(decline=_STOLEN),
    "4000000000000069": Behaviour(decline=_EXPIRED),
    "4000000000000127": Behaviour(decline=_CVC),
    "4000000000000119": Behaviour(decline=_PROCESSING),
    "4000000000000341": Behaviour(charge_decline=_GENERIC),
    "4000002500003155": Behaviour(authenticate=True),
    "4000002760003184": Behaviour(authenticate=True, renewal_decline=_ASKS),
}

_NAMED = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_amex": "378282246310005",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_authenticationRequiredOnSetup": "4000002500003155",
}


def read_card(number: str, expiry: str, cvc: str, *, year: int, month: int) -> Card:
    """The test card that a buyer typed in; `year` and `month` are today's.

    Raises CardRefusedError, in the words that Stripe's page uses.
    """
    digits = "".join(filter(str.isdecimal, number))
    if not digits:
        raise CardRefusedError("number", "Your card number is incomplete.")
    if not 12 <= len(digits) <= 19 or not _luhn(digits):
        raise CardRefusedError("number", "Your card number is invalid.")
    behaviour = _TEST_CARDS.get(digits)
    if behaviour is None:
        raise CardRefusedError(
            "number",
            "This is a sandbox: use a test card, such as 4242 4242 4242 4242, never a real one.",
        )
    exp_month, exp_year = _read_expiry(expiry)
    if (exp_year, exp_month) < (year, month):
        raise CardRefusedError("expiry", "Your card's expiration date is in the past.")
    if len(cvc) != (4 if behaviour.brand == "amex" else 3) or not cvc.isdecimal():
        raise CardRefusedError("cvc", "Your card's security code is incomplete.")
    return Card(
        brand=behaviour.brand,
        funding=behaviour.funding,
        last4=digits[-4:],
        exp_month=exp_month,
        exp_year=exp_year,
        fingerprint=hashlib.sha256(f"{behaviour}{digits[-4:]}".encode()).hexdigest()[:16],
        behaviour=behaviour,
    )


def test_card(name: str) -> Card | None:
    """The card that one of Stripe's names for test cards means, `pm_card_visa`, or None."""
    number = _NAMED.get(name)
    code = "1234" if name == "pm_card_amex" else "123"
    return read_card(number, "12 / 34", code, year=1, month=1) if number else None


def declines_at_once(private: dict[str, object]) -> Decline | None:
    """Why the bank refuses to have this card kept at all, if it does."""
    return _kept_decline(private.get("decline"))


def behaviour_of(private: dict[str, object]) -> Behaviour:
    """What a stored payment method does when it is charged again."""
    return Behaviour(
        charge_decline=_kept_decline(private.get("charge_decline")),
        renewal_decline=_kept_decline(private.get("renewal_decline")),
        authenticate=private.get("authenticate") is True,
    )


def kept_behaviour(card: Card) -> dict[str, object]:
    """What the sandbox must remember of a card to charge it again: never its number."""
    behaviour = card.behaviour
    declines = behaviour.decline or behaviour.charge_decline
    renewal = behaviour.renewal_decline
    return {
        "authenticate": behaviour.authenticate,
        "decline": dataclasses.asdict(behaviour.decline) if behaviour.decline else None,
        "charge_decline": dataclasses.asdict(declines) if declines else None,
        "renewal_decline": dataclasses.asdict(renewal) if renewal else None,
    }


def _kept_decline(kept: object) -> Decline | None:
    return Decline(**kept) if isinstance(kept, dict) else None


def _read_expiry(expiry: str) -> tuple[int, int]:
    digits = "".join(filter(str.isdecimal, expiry))
    if len(digits) == 3:
        digits = f"0{digits}"
    if len(digits) not in (4, 6) or not 1 <= int(digits[:2]) <= 12:
        raise CardRefusedError("expiry", "Your card's expiration date is incomplete.")
    year = digits[2:]
    return int(digits[:2]), int(year) if len(year) == 4 else 2000 + int(year)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
