"""What staff can do to money, by name: see billing.staff.actions; billing.amends does it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from billing import adoption, amends, grants, parked
from billing.amends import Refund
from billing.models import Grant, Invoice, StripeEvent, Subject, Subscription
from billing.staff import search, shown
from billing.staff.actions import NamedAction, OnceForm, ReasonForm

LATER = (
    "Stripe does not answer now. It is written down and will be done as soon as Stripe answers; "
    "nothing is to be done again."
)
SENT_BEFORE = "This was asked for before; nothing was changed."


class CancelForm(ReasonForm):
    """What goes back."""

    refund = forms.ChoiceField(
        choices=[
            (Refund.UNUSED, "What pays for the time that is left"),
            (Refund.FULL, "All of the last payment"),
            (Refund.NONE, "Nothing"),
        ],
        widget=forms.RadioSelect,
        help_text="To the card that paid. It takes the bank some days.",
    )
    field_order = ["refund", "reason"]


class RefundForm(OnceForm):
    """How much goes back."""

    amount = forms.DecimalField(
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        help_text="In the invoice's currency, such as 4.50.",
    )
    field_order = ["amount", "reason"]


class ExtendForm(OnceForm):
    """How many days."""

    days = forms.IntegerField(min_value=1, max_value=60, help_text="1 to 60.")
    field_order = ["days", "reason"]


class AdoptForm(ReasonForm):
    """Which car, and who pays for it."""

    car = forms.CharField(max_length=64, help_text="Its whole VIN.")
    email = forms.EmailField(
        label="Email of who pays", help_text="The car's owner, as they sign in."
    )
    field_order = ["car", "email", "reason"]

    def clean_car(self) -> Subject:
        """The one subject that is meant."""
        found = Subject.objects.filter(pk__in=search.subject_ids(self.cleaned_data["car"].strip()))
        if len(found) != 1:
            raise forms.ValidationError(
                f"This names {len(found)} cars; give the whole VIN of the one that is meant."
            )
        return found[0]

    def clean_email(self) -> Any:
        """The account."""
        email = self.cleaned_data["email"].lower()
        payer = get_user_model().objects.filter(email=email, is_active=True).first()
        if payer is None:
            raise forms.ValidationError("Nobody signs in with this address.")
        return payer


def _cancel(row: Subscription, data: dict[str, Any], actor: Any, now: datetime) -> str:
    refund = Refund(data["refund"])
    try:
        new = amends.cancel_now(
            subscription_id=row.pk, refund=refund, reason=data["reason"], actor=actor, now=now
        )
    except amends.StripeAway:
        return f"It has ended here. {LATER}"
    except amends.StripeRefused as error:
        return f"It has ended here, but Stripe refused: {error}"
    return "The subscription has ended." if new else SENT_BEFORE


def _refund(row: Invoice, data: dict[str, Any], actor: Any, now: datetime) -> str:
    try:
        amount = shown.minor(data["amount"], row.currency)
    except ValueError as error:
        raise amends.TooMuch(str(error)) from error
    wish = {"reason": data["reason"], "token": str(data["token"]), "actor": actor, "now": now}
    try:
        new = amends.refund(invoice_id=row.pk, amount=amount, **wish)
    except amends.StripeAway:
        return LATER
    return f"{shown.money(amount, row.currency)} goes back to the card." if new else SENT_BEFORE


def _extend(row: Subscription, data: dict[str, Any], actor: Any, now: datetime) -> str:
    wish = {"reason": data["reason"], "token": str(data["token"]), "actor": actor, "now": now}
    try:
        extended = amends.extend(subscription_id=row.pk, days=data["days"], **wish)
    except amends.StripeAway:
        return LATER
    if not extended.new:
        return SENT_BEFORE
    day = f"{extended.until:%Y-%m-%d %H:%M} UTC"
    if extended.as_gift:
        return f"It is ending, so the days are given as goodwill after its end: until {day}."
    return f"The paid time lasts until {day}; the next charge is made then."


def _adopt(row: Subscription, data: dict[str, Any], actor: Any, now: datetime) -> str:
    subject, payer = data["car"], data["email"]

    def still_may() -> None:
        if said := search.objection(subject.pk, payer):
            raise adoption.CannotAdopt(said)

    try:
        new = adoption.adopt(
            subscription_id=row.pk,
            subject_id=subject.pk,
            payer=payer,
            still_may=still_may,
            reason=data["reason"],
            actor=actor,
            now=now,
        )
    except adoption.StripeAway as error:
        raise adoption.CannotAdopt(
            "Stripe does not answer now, and is asked before anything is changed: try again soon."
        ) from error
    return "The car has what this subscription pays for." if new else SENT_BEFORE


def _end_gift(row: Grant, data: dict[str, Any], actor: Any, now: datetime) -> str:
    ended = grants.end(row.pk, actor=actor, reason=data["reason"], now=now)
    return "The gift has ended; all else that the car has stays." if ended else SENT_BEFORE


def _read_again(row: StripeEvent, data: dict[str, Any], actor: Any, now: datetime) -> str:
    done = parked.read_again(event_id=row.pk, reason=data["reason"], actor=actor, now=now)
    return "It waits to be read, and will be in a few seconds." if done else SENT_BEFORE


def _what_it_is(row: Subscription) -> str:
    payer = row.customer.payer if row.customer else "somebody whom we do not know"
    amount = shown.money(row.unit_amount or 0, row.currency or "usd")
    paid = f"{row.paid_through:%Y-%m-%d %H:%M} UTC" if row.paid_through else "no time"
    return f"{payer} pays {amount} a {row.interval}, and has paid until {paid}."


def _left(row: Invoice) -> str:
    left, paid = amends.left_to_refund(row), row.amount_paid
    return (
        f"Of {shown.money(paid, row.currency)} that {row} was paid with, "
        f"{shown.money(left, row.currency)} can go back to the card. What it paid for goes on: "
        "to end that, cancel the subscription instead."
    )


CANCEL_NOW = NamedAction(
    slug="cancel-now",
    label="Cancel now",
    permission="billing.cancel_subscription",
    form=CancelForm,
    effect=lambda row: (
        f"{_what_it_is(row)} It ends at once and for good: the car loses what it pays for, and the "
        "place is free for whoever wants to pay next. The payer is told."
    ),
    run=_cancel,
    available=lambda row: row.status not in Subscription.ENDED,
)
REFUND = NamedAction(
    slug="refund",
    label="Refund",
    permission="billing.refund_invoice",
    form=RefundForm,
    effect=_left,
    run=_refund,
    refusals=(amends.TooMuch, amends.StripeRefused),
    available=lambda row: row.amount_paid > 0,
)
EXTEND = NamedAction(
    slug="extend",
    label="Extend for a repair",
    permission="billing.extend_subscription",
    form=ExtendForm,
    effect=lambda row: (
        f"{_what_it_is(row)} The paid time gets longer by the days that you give, and the next "
        "charge comes as much later; nothing is charged or paid back now. At Stripe it shows as "
        "a trial. If the subscription is ending, the days are given as goodwill after its end."
    ),
    run=_extend,
    refusals=(amends.NothingToExtend, amends.HasItForGood, amends.StripeRefused),
    available=lambda row: row.status in Subscription.RENEWING,
)
ADOPT = NamedAction(
    slug="adopt",
    label="Adopt",
    permission="billing.adopt_subscription",
    form=AdoptForm,
    effect=lambda row: (
        f"{row.stripe_subscription_id} was not bought on a page of ours, so no car has what it "
        "pays for. Say which car it is for and who pays: the car gets it at once, and the payer "
        "sees and ends it like one of their own."
    ),
    run=_adopt,
    refusals=(adoption.CannotAdopt, adoption.StripeRefused),
    available=lambda row: row.subject_id is None and row.status not in Subscription.ENDED,
)
END_GIFT = NamedAction(
    slug="end",
    label="End this gift",
    permission="billing.end_gift",
    effect=lambda row: (
        f"{row.plan} by {row.source}, given until {row.ends_at:%Y-%m-%d %H:%M} UTC, ends now. "
        "What the car has from elsewhere stays."
    ),
    run=_end_gift,
    # What came with the car for good is the car's: see the car's page for taking it out of service.
    available=lambda row: (
        row.source in {Grant.Source.GOODWILL, Grant.Source.TRIAL} and row.ends_at is not None
    ),
)
READ_AGAIN = NamedAction(
    slug="read-again",
    label="Read again",
    permission="billing.read_event_again",
    effect=lambda row: (
        f"{row.type} {row.stripe_event_id} was parked: "
        f"{row.error or f'it came in API version {row.api_version}'}. It is read as "
        "if it had come just now: what it is about is fetched from Stripe as it is today."
    ),
    run=_read_again,
    refusals=(parked.NamesNothing,),
    available=lambda row: row.state == StripeEvent.State.PARKED,
)
