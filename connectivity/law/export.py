"""Puts all that is kept of a person into one file that programs and people can read.

It must never hold what opens a door (secrets of a second factor, sessions' keys), nor what is kept
of somebody else.
"""

import io
import json
import zipfile
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.db.models import Q
from django.utils.translation import gettext as _

from billing import records
from billing.records import Rows, written
from connectivity.law import declarations
from connectivity.law.models import Declaration
from connectivity.notices.models import Notice
from fleet.models import (
    Claim,
    Consent,
    DomainEvent,
    Driver,
    Ownership,
    PairingAttempt,
    Transfer,
    Vehicle,
)

_NOT_THEIRS = ("public_key", "credential_generation")


def archive(person: Any, *, now: datetime) -> bytes:
    """A ZIP file with `data.json`, and a page of text that says what is in it."""
    document = {"made_at": now.isoformat(), **everything(person)}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("README.txt", _explained())
        file.writestr("data.json", json.dumps(document, indent=2, ensure_ascii=False))
    return made.getvalue()


def everything(person: Any) -> dict[str, Rows]:
    """All that is kept of a person, by what it is."""
    return {**_account(person), **_cars(person), **records.of_payer(person), **_law(person)}


def _account(person: Any) -> dict[str, Rows]:
    return {
        "account": written([person], without=("password",)),
        "email_addresses": written(EmailAddress.objects.filter(user=person)),
        "ways_to_sign_in": written(Authenticator.objects.filter(user=person), without=("data",)),
        "sessions": written(
            UserSession.objects.filter(user=person), without=("session_key", "data")
        ),
        "work_as_staff": written(LogEntry.objects.filter(user=person)),
        "mails": written(Notice.objects.filter(user=person).order_by("id")),
    }


def _cars(person: Any) -> dict[str, Rows]:
    owned = Ownership.objects.filter(owner=person)
    now_theirs = Vehicle.objects.filter(ownerships__in=owned.filter(ends_at=None))
    before = Vehicle.objects.filter(ownerships__in=owned).exclude(pk__in=now_theirs)
    # When a car was last heard of is its present owner's to know.
    hidden = (*_NOT_THEIRS, "last_contact_at")
    claims = Claim.objects.filter(claimant=person)
    known = [*owned.values_list("vehicle_id"), *claims.values_list("vehicle_id")]
    named = Q(data__owner=str(person.pk)) | Q(data__claimant=str(person.pk))
    events = DomainEvent.objects.filter(
        Q(actor=person) | Q(named, vehicle_id__in=[vehicle_id for (vehicle_id,) in known])
    )
    return {
        "ownerships": written(owned),
        "cars": written(now_theirs.distinct(), without=_NOT_THEIRS),
        "former_cars": written(before.distinct(), without=hidden),
        "claims": written(claims),
        # Each knows of the other that there was an offer, and no more.
        "offers_made": written(Transfer.objects.filter(seller=person), without=("buyer",)),
        "offers_accepted": written(
            Transfer.objects.filter(buyer=person), without=("seller", "email")
        ),
        "drivers_of_their_cars": written(
            Driver.objects.filter(ownership__owner=person), without=("person",)
        ),
        "cars_of_others_that_they_drive": written(Driver.objects.filter(person=person)),
        "wrong_codes": written(PairingAttempt.objects.filter(account=person)),
        "consents": written(Consent.objects.filter(owner=person)),
        "what_happened_to_cars": written(events.order_by("id"), without=("actor", "data")),
    }


def _law(person: Any) -> dict[str, Rows]:
    declared = Declaration.objects.filter(Q(payer=person) | Q(payer=None, email=person.email))
    receipts = declarations.receipts_of(declared.values_list("pk", flat=True))
    return {
        "declarations": written(declared, without=("decided_by", "form")),
        "receipts_of_declarations": written(receipts),
    }


def _explained() -> str:
    return _(
        "This is all that Premium Connectivity keeps of you.\n\n"
        "data.json has a list for each kind of thing: your account and how you sign in, your cars, "
        "what you agreed to, what you paid, the emails we sent you, and what happened when. Times "
        "are in UTC. Amounts are in the smallest unit of their currency: 1000 is $10.00.\n\n"
        "Left out is what could open your account to somebody else, such as the secret of your "
        "authenticator app, and what concerns other people. Your card is known to Stripe, not to "
        "us; we keep its brand and its last four digits.\n"
    )
