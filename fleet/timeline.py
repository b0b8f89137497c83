"""All that happened to one car in one list, for whoever answers its owner; decides nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from billing import agreements, queries
from billing.staff import shown
from fleet.models import Report, Vehicle

MOST = 100  # of each kind; the newest


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened at an instant; `actor` is a person or None.

    `at_stripe` are the objects at Stripe that it is about, each as a link or as its id.
    """

    at: datetime
    source: str
    what: str
    detail: str = ""
    actor: Any = None
    at_stripe: tuple[str, ...] = ()


def of(vehicle: Vehicle) -> list[Entry]:
    """What happened to the car, to the money for it, and on the way to it; newest first."""
    entries = [*_of_fleet(vehicle), *_of_billing(vehicle), *_of_deliveries(vehicle)]
    entries += [*_of_report(vehicle), *_of_agreements(vehicle)]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _of_fleet(vehicle: Vehicle) -> Iterator[Entry]:
    events = vehicle.events.select_related("actor").order_by("-at", "-id")
    for event in events[:MOST]:
        yield _entry("car", event)


def _of_billing(vehicle: Vehicle) -> Iterator[Entry]:
    for event in islice(queries.history(vehicle.id).select_related("actor"), MOST):
        yield _entry("billing", event)


def _of_deliveries(vehicle: Vehicle) -> Iterator[Entry]:
    for delivery in vehicle.deliveries.order_by("-version")[:MOST]:
        name = f"version {delivery.version}, reference {delivery.reference}"
        plan = f"plan {delivery.plan}"
        yield Entry(delivery.changed_at, "delivery", f"{name}: to be told", plan)
        if delivery.sent_at:
            yield Entry(delivery.sent_at, "delivery", f"{name}: sent to the sites")
        if delivery.applied_at:
            yield Entry(delivery.applied_at, "delivery", f"{name}: active in the car")


def _of_agreements(vehicle: Vehicle) -> Iterator[Entry]:
    for row in agreements.of_subject(vehicle.id)[:MOST]:
        price = f"{shown.money(row.unit_amount, row.currency)} a {row.interval}"
        yield Entry(row.at, "billing", f"agreed to the terms of {row.terms}", price, row.payer)


def _of_report(vehicle: Vehicle) -> Iterator[Entry]:
    report = Report.objects.filter(vehicle=vehicle).first()
    if report is not None:
        did = "applied" if report.applied else "could not apply"
        yield Entry(
            report.received_at,
            "report",
            f"the car says it {did} version {report.version}, catalogue {report.catalog}",
            report.reason,
        )


def _entry(source: str, event: Any) -> Entry:
    facts = dict(event.data)
    named = [facts.pop(name, "") for name in AT_STRIPE]
    say = SUMMARIES.get(event.kind)
    said = say(facts) if say else ""
    words = event.kind.replace("_", " ")
    return Entry(
        event.at,
        source,
        f"{words}: {said}" if said else words,
        ", ".join(f"{name}: {value}" for name, value in facts.items() if value not in ("", None)),
        event.actor,
        tuple(shown.dashboard(stripe_id) for stripe_id in named if stripe_id),
    )


def _money(facts: dict[str, Any]) -> str:
    """An amount in words; one that tells no currency is left among the facts."""
    if "amount" not in facts or not facts.get("currency"):
        return ""
    return shown.money(facts.pop("amount"), facts.pop("currency"))


def _instant(facts: dict[str, Any], name: str) -> str:
    text = facts.pop(name, "")
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else ""


def _given(facts: dict[str, Any]) -> str:
    facts.pop("token", None)
    until = _instant(facts, "until")
    words = f"{facts.pop('plan', 'premium')} by {facts.pop('source', 'nobody')}"
    return f"{words} until {until}" if until else words


def _extended(facts: dict[str, Any]) -> str:
    return f"{facts.pop('days', '?')} days longer, until {_instant(facts, 'until')}"


def _cancelled(facts: dict[str, Any]) -> str:
    back = {"none": "nothing", "unused": "the unused time", "full": "the last payment"}
    refund = facts.pop("refund", "")
    return f"by staff, paying back {back.get(refund, refund)}"


def _failed(facts: dict[str, Any]) -> str:
    facts.pop("pay_url", None)  # Whoever has it sees a person's bill.
    retry = _instant(facts, "retry_at")
    access = _instant(facts, "access_until")
    parts = [_money(facts), f"tried again {retry}" if retry else "not tried again"]
    return ", ".join(filter(None, [*parts, f"access until {access}" if access else ""]))


def _retired(facts: dict[str, Any]) -> str:
    gifts = facts.pop("gifts", [])
    return f"{len(gifts)} gifts ended" if gifts else ""


AT_STRIPE = ("subscription", "invoice", "dispute", "event")
# What an event's facts say as a sentence; each takes out of them what it says.
SUMMARIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "cancelled_now": _cancelled,
    "dispute_lost": _money,
    "dispute_opened": _money,
    "dispute_won": _money,
    "extended": _extended,
    "grant_given": _given,
    "payment_failed": _failed,
    "refund_failed": _money,
    "refunded": _money,
    "switched": _money,
    "vehicle_retired": _retired,
}
