"""What staff can do to cars, by name: see billing.staff.actions."""

from datetime import datetime
from typing import Any

from django import forms

from billing.staff.actions import NamedAction, OnceForm, ReasonForm
from fleet import delivery, garage, goodwill, keys
from fleet.models import Claim, Vehicle


class KeyForm(ReasonForm):
    """What the new unit's key is."""

    public_key = forms.CharField(
        max_length=60,
        help_text="Of the new unit: raw Ed25519, base64url without padding, 43 characters.",
        widget=forms.TextInput(attrs={"size": 50, "autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ["public_key", "reason"]

    def clean_public_key(self) -> str:
        """Refuse what is no key before anything is asked of the database."""
        try:
            return keys.parse(self.cleaned_data["public_key"])
        except keys.WrongKey as error:
            raise forms.ValidationError(str(error)) from error


class DecisionForm(ReasonForm):
    """Whose the car is."""

    decision = forms.ChoiceField(
        choices=[("grant", "The car goes to the claimant"), ("refuse", "The car stays")],
        widget=forms.RadioSelect,
    )
    field_order = ["decision", "reason"]


class GoodwillForm(OnceForm):
    """How long, and from when."""

    days = forms.IntegerField(min_value=1, max_value=365, help_text="1 to 365.")
    begins = forms.ChoiceField(
        choices=[("now", "Now"), ("afterwards", "At the end of what the car has")],
        widget=forms.RadioSelect,
        initial="now",
    )
    field_order = ["days", "begins", "reason"]


class RetireForm(ReasonForm):
    """The car, typed once more."""

    vin = forms.CharField(
        label="Last six of the VIN",
        min_length=6,
        max_length=6,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Typed from the papers, so that it is this car and no other.",
    )
    field_order = ["vin", "reason"]


class OtherCar(ValueError):
    """The papers are those of another car."""


def _replace_key(vehicle: Vehicle, data: dict[str, Any], actor: Any, now: datetime) -> str:
    replaced = keys.replace_key(
        vehicle_id=vehicle.pk,
        public_key=data["public_key"],
        reason=data["reason"],
        actor=actor,
        now=now,
    )
    if not replaced:
        return "This is the car's key already; nothing was changed."
    return "The key is replaced. The old unit is out, and the new one can sign in at once."


def _decide(claim: Claim, data: dict[str, Any], actor: Any, now: datetime) -> str:
    grant = data["decision"] == "grant"
    garage.decide(claim, grant=grant, reason=data["reason"], actor=actor, now=now)
    return "The car has a new owner." if grant else "The claim is refused; the car stays."


def _give(vehicle: Vehicle, data: dict[str, Any], actor: Any, now: datetime) -> str:
    given = goodwill.give(
        vehicle_id=vehicle.pk,
        days=data["days"],
        afterwards=data["begins"] == "afterwards",
        reason=data["reason"],
        token=str(data["token"]),
        actor=actor,
        now=now,
    )
    if not given.new:
        return "This was given before, by the same form; nothing was changed."
    return f"The car has Premium until {given.until:%Y-%m-%d %H:%M} UTC. Its owner is told."


def _retire(vehicle: Vehicle, data: dict[str, Any], actor: Any, now: datetime) -> str:
    if data["vin"].upper() != vehicle.vin[-6:]:
        raise OtherCar("These are not the last six of this car's VIN.")
    garage.retire(vehicle_id=vehicle.pk, reason=data["reason"], actor=actor, now=now)
    return "The car is out of service."


def _reinstate(vehicle: Vehicle, data: dict[str, Any], actor: Any, now: datetime) -> str:
    garage.reinstate(vehicle_id=vehicle.pk, reason=data["reason"], actor=actor, now=now)
    return "The car is in service. Its owner adds it by a code from its screen."


REPLACE_KEY = NamedAction(
    slug="replace-key",
    label="Replace the car's key",
    permission="fleet.replace_key",
    form=KeyForm,
    effect=lambda vehicle: (
        f"The connectivity unit of {vehicle.model} {vehicle.vin} was swapped. Its present key and "
        "all tokens that were issued for it stop working at once, its pairing code is void, and "
        "the car counts as pending until the new unit reports."
    ),
    run=_replace_key,
    refusals=(keys.WrongKey,),
    available=lambda vehicle: vehicle.removed_at is None,
)
DECIDE_CLAIM = NamedAction(
    slug="decide",
    label="Decide the claim",
    permission="fleet.decide_claim",
    form=DecisionForm,
    effect=lambda claim: (
        f"{claim.claimant} claims {claim.vehicle.model} {claim.vehicle.vin}. If the car goes to "
        "the claimant, its owner loses it at once and what they pay for it ends, with a refund of "
        "the unused time. Both are told."
    ),
    run=_decide,
    refusals=(garage.ClaimClosed,),
    available=lambda claim: claim.state in Claim.UNDECIDED,
)
GIVE_GOODWILL = NamedAction(
    slug="goodwill",
    label="Give days of Premium",
    permission="fleet.give_goodwill",
    form=GoodwillForm,
    effect=lambda vehicle: (
        f"{vehicle.model} {vehicle.vin} gets Premium for the days that you give, free of charge. "
        "What is paid for it goes on as it is: to make a subscription's paid time longer, extend "
        "the subscription instead. The owner is told."
    ),
    run=_give,
    refusals=(goodwill.CannotUseIt, goodwill.HasItForGood),
    available=lambda vehicle: vehicle.removed_at is None and vehicle.has_modem,
)
RETIRE = NamedAction(
    slug="retire",
    label="Take out of service",
    permission="fleet.retire_vehicle",
    form=RetireForm,
    effect=lambda vehicle: (
        f"{vehicle.model} {vehicle.vin} leaves service: it was scrapped, stolen or taken back. It "
        "leaves its owner's garage, what they pay for it ends now with a refund of the unused "
        "time, all gifts end, open claims are refused, and the car's key and tokens are refused. "
        "The owner is told."
    ),
    run=_retire,
    refusals=(OtherCar,),
    available=lambda vehicle: vehicle.removed_at is None,
)
REINSTATE = NamedAction(
    slug="reinstate",
    label="Put back into service",
    permission="fleet.retire_vehicle",
    effect=lambda vehicle: (
        f"{vehicle.model} {vehicle.vin} was taken out of service by mistake. Its key counts again, "
        "and its gifts go on for what was left of them. Its former owner adds it by a code, as "
        "any car; what they paid for has ended and does not come back."
    ),
    run=_reinstate,
    available=lambda vehicle: vehicle.removed_at is not None,
)
RESEND = NamedAction(
    slug="resend",
    label="Re-send to the car",
    permission="fleet.resend",
    effect=lambda vehicle: (
        f"{vehicle.model} {vehicle.vin} is told once more what it has, as a new version: at once "
        "if it is awake, else at its next wake. Twice within a minute is once."
    ),
    run=lambda vehicle, data, actor, now: (
        "A new version is on its way to the car."
        if delivery.resend(vehicle_id=vehicle.pk, reason=data["reason"], actor=actor, now=now)
        else "A version was made for the car within the last minute; none was added."
    ),
    available=lambda vehicle: vehicle.removed_at is None,
)
