"""Takes declarations of people who need not sign in, keeps them, and carries them out.

Who declares something is known by no more than an address: docs/decisions says why that is enough.
It must never tell the page that asks whether there is such an account or contract.

# Note [A declaration counts when it is received]
The row and its receipt are written before anybody is answered; what follows is a worker's. A
cancellation is carried out at once: its contract's payer is told, and can undo it until its end. A
withdrawal cannot be undone, so it waits a day for a word of the address itself: a link in the
receipt carries it out at once, or says that somebody else has sent it. Without a word it is carried
out. Money is reckoned from the time of the declaration, whenever that happens. What fits no running
contract, and what needs a judgement, is open work of staff.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from billing import agreements, locks, renewal, withdrawal
from connectivity.law.matching import Contract, contract_of
from connectivity.law.models import Declaration
from connectivity.law.wording import written
from connectivity.notices import outbox
from connectivity.notices.models import Notice
from connectivity.notices.rules.mail import page
from fleet import markets
from fleet.links import Links

State = Declaration.State
A_DAY = timedelta(days=1)
# What was agreed can be disputed for three years, counted from the end of its year.
KEPT = timedelta(days=4 * 366)
_SOURCE = "law"
_LINKS = Links("connectivity.law.declaration", Declaration.objects.all())
# What only the declaration's address is sent, and what that is of.
token_of, by_token = _LINKS.token, _LINKS.find
NO_CONTRACT = "No running contract of this address fits the reference. Find out which is meant."
GOOD_CAUSE = "Its renewal is stopped. Judge the cause: if it is good, end it now, and pay back."
LATER = "It is to end later than what is paid: stop its renewal in that period, and not before."
NOT_WITHDRAWABLE = "It is older than 14 days or not of a European market: answer that, or give in."
REFUSED = "Stripe refused it: {error}"
DENIED = "The address says that it did not declare this."


class AlreadyDecided(Exception):
    """There is nothing left to decide."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody has declared."""

    kind: str
    name: str
    email: str
    reference: str
    manner: str = Declaration.Manner.ORDINARY
    reason: str = ""
    ends_on: date | None = None


def receive(said: Said, *, form_id: UUID, language: str, now: datetime) -> Declaration:
    """Keep a declaration, and have its receipt mailed; a form that is sent twice declares once.

    See Note [A declaration counts when it is received].
    """
    now = now.replace(microsecond=0)
    facts = {name: getattr(said, name) for name in Said.__slots__}
    first = {**facts, "language": language, "received_at": now, "act_at": now}
    with transaction.atomic(durable=True):
        declaration, new = Declaration.objects.get_or_create(form=form_id, defaults=first)
        if not new and any(getattr(declaration, name) != facts[name] for name in facts):
            declaration, new = Declaration.objects.create(form=uuid4(), **first), True
        if new:
            _send_receipt(declaration, now=now)
    return declaration


def due(now: datetime) -> list[int]:
    """The declarations to look at by now, the oldest first."""
    moving = Declaration.objects.filter(state__in=Declaration.MOVING, act_at__lte=now)
    return list(moving.order_by("act_at").values_list("pk", flat=True)[:100])


def carry_out(declaration_id: int, *, now: datetime) -> None:
    """Do what is due of a declaration; harmless to repeat. Raises what the use cases raise.

    See Note [A declaration counts when it is received].
    """
    with locks.only_one(f"law.declaration.{declaration_id}") as mine:
        moving = Declaration.objects.filter(state__in=Declaration.MOVING, act_at__lte=now)
        declaration = moving.filter(pk=declaration_id).first() if mine else None
        if declaration is None:
            return
        contract = contract_of(declaration)
        if contract is None and declaration.subject_id is not None:
            _become(declaration, State.DONE, "It had ended before.", None, now=now)
        elif contract is None:
            _become(declaration, State.OPEN, NO_CONTRACT, None, now=now)
        elif declaration.kind == Declaration.Kind.CANCEL:
            _cancel(declaration, contract, now=now)
        else:
            _withdraw(declaration, contract, now=now)


def confirm(declaration: Declaration, *, now: datetime) -> bool:
    """The address wants it carried out without waiting; whether it still waited for that."""
    waiting = Declaration.objects.filter(pk=declaration.pk, state__in=Declaration.MOVING)
    return bool(waiting.update(act_at=now, outcome="The address has confirmed it."))


def deny(declaration: Declaration, *, now: datetime) -> bool:
    """The address did not declare this; whether there was time left to say so."""
    waiting = Declaration.objects.filter(pk=declaration.pk, state__in=Declaration.MOVING)
    return bool(waiting.update(state=State.DENIED, outcome=DENIED, decided_at=now))


def settle(declaration_id: int, *, reason: str, actor: Any, now: datetime) -> None:
    """Staff have done what was to be done about it. Raises AlreadyDecided."""
    with transaction.atomic(durable=True):
        rows = Declaration.objects.select_for_update(no_key=True)
        row = rows.get(pk=declaration_id)
        if row.state != State.OPEN:
            raise AlreadyDecided("It is not open: there is nothing left to settle.")
        row.state, row.outcome = State.SETTLED, f"{row.outcome}\n{reason}".strip()
        row.decided_at, row.decided_by = now, actor
        row.save(update_fields=["state", "outcome", "decided_at", "decided_by"])


def forget_old(*, now: datetime) -> None:
    """Remove what no law asks us to keep any more, with the receipts."""
    oldest = Declaration.objects.order_by("pk").values_list("pk", "received_at", "state")[:100]
    busy = {*Declaration.MOVING, State.OPEN}
    old = [pk for pk, at, state in oldest if at < now - KEPT and state not in busy]
    if old:
        receipts_of(old).delete()
        Declaration.objects.filter(pk__in=old).delete()


def receipts_of(declaration_ids: Iterable[int]) -> QuerySet[Notice]:
    """The mails that acknowledged these."""
    return Notice.objects.filter(source=_SOURCE, event_id__in=list(declaration_ids))


def facts_of(declaration: Declaration) -> dict[str, str]:
    """What was declared, in its words and in the language that is active; empty where nothing."""
    ends_on = declaration.ends_on
    return {
        "name": declaration.name,
        "email": declaration.email,
        "reference": declaration.reference,
        "reason": declaration.reason,
        "good_cause": "yes" if declaration.manner == Declaration.Manner.GOOD_CAUSE else "",
        # Translators: a date such as Dec 23, 2026, in the letters of Django's `date` filter.
        "ends_on": date_format(ends_on, _("M j, Y")) if ends_on else "",
        "at": written(declaration.received_at),
    }


def _send_receipt(declaration: Declaration, *, now: datetime) -> None:
    with translation.override(declaration.language):
        context = {name: _defused(text) for name, text in facts_of(declaration).items()}
    if declaration.kind == Declaration.Kind.WITHDRAW:
        context["page"] = page("law:declared", token_of(declaration))
    else:
        context["page"] = page()
    outbox.tell(
        source=_SOURCE,
        event_id=declaration.pk,
        template=f"declared_{declaration.kind}",
        recipient=declaration.email,
        user=None,
        reads=declaration.language,
        context=context,
        now=now,
    )


def _defused(text: str) -> str:
    """Words for a mail that anybody can have sent to anybody: no link of theirs is to be in it."""
    return " ".join(text.replace("://", ": //").split())


def _cancel(declaration: Declaration, contract: Contract, *, now: datetime) -> None:
    payer, vehicle = contract.payer, contract.vehicle
    paid = agreements.paid_through(payer, vehicle.id)
    if declaration.ends_on and paid and declaration.ends_on > paid.date():
        _become(declaration, State.OPEN, LATER, contract, now=now)
        return
    try:
        renewal.stop(payer=payer, subject_id=vehicle.id, now=now)
    except renewal.NotSubscribed:
        _become(declaration, State.OPEN, NO_CONTRACT, contract, now=now)
        return
    except renewal.StripeAway:
        pass  # The wish is noted, and will be done.
    except renewal.StripeRefused as error:
        _become(declaration, State.OPEN, REFUSED.format(error=error), contract, now=now)
        return
    if declaration.manner == Declaration.Manner.GOOD_CAUSE:
        _become(declaration, State.OPEN, GOOD_CAUSE, contract, now=now)
    else:
        _become(declaration, State.DONE, "Its renewal is stopped.", contract, now=now)


def _withdraw(declaration: Declaration, contract: Contract, *, now: datetime) -> None:
    payer, vehicle, said_at = contract.payer, contract.vehicle, declaration.received_at
    until = withdrawal.until(payer=payer, subject_id=vehicle.id, now=said_at)
    if until is None or not markets.may_withdraw(vehicle.market):
        _become(declaration, State.OPEN, NOT_WITHDRAWABLE, contract, now=now)
    elif declaration.state == State.RECEIVED and not declaration.outcome:
        waits = {"state": State.WAITING, "act_at": said_at + A_DAY}
        about = {"payer": payer, "subject_id": vehicle.id}
        received = Declaration.objects.filter(pk=declaration.pk, state=State.RECEIVED, outcome="")
        received.update(**waits, **about)
    else:
        withdrawal.withdraw(payer=payer, subject_id=vehicle.id, declared_at=said_at, now=now)
        _become(declaration, State.DONE, "It has ended.", contract, now=now)


def _become(
    declaration: Declaration, state: str, outcome: str, contract: Contract | None, *, now: datetime
) -> None:
    """Record what became of it, unless the address has said meanwhile that it was not theirs."""
    known: Iterable[str] = filter(None, [declaration.outcome, outcome])
    about = {"payer": contract.payer, "subject_id": contract.vehicle.id} if contract else {}
    moving = Declaration.objects.filter(pk=declaration.pk, state__in=Declaration.MOVING)
    decided = now if state == State.DONE else None
    moving.update(state=state, outcome="\n".join(known), decided_at=decided, **about)
