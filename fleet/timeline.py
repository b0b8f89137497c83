"""All that happened to one car in one list, for whoever answers its owner; decides nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from billing import queries
from fleet.models import Report, Vehicle

MOST = 100  # of each kind; the newest


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened at an instant; `actor` is a person or None."""

    at: datetime
    source: str
    what: str
    detail: str = ""
    actor: Any = None


def of(vehicle: Vehicle) -> list[Entry]:
    """What happened to the car, to the money for it, and on the way to it; newest first."""
    entries = [*_of_fleet(vehicle), *_of_billing(vehicle), *_of_deliveries(vehicle)]
    entries += _of_report(vehicle)
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _of_fleet(vehicle: Vehicle) -> Iterator[Entry]:
    events = vehicle.events.select_related("actor").order_by("-at", "-id")
    for event in events[:MOST]:
        yield Entry(event.at, "car", _words(event.kind), _facts(event.data), event.actor)


def _of_billing(vehicle: Vehicle) -> Iterator[Entry]:
    for event in islice(queries.history(vehicle.id).select_related("actor"), MOST):
        yield Entry(event.at, "billing", _words(event.kind), _facts(event.data), event.actor)


def _of_deliveries(vehicle: Vehicle) -> Iterator[Entry]:
    for delivery in vehicle.deliveries.order_by("-version")[:MOST]:
        name = f"version {delivery.version}, reference {delivery.reference}"
        plan = f"plan {delivery.plan}"
        yield Entry(delivery.changed_at, "delivery", f"{name}: to be told", plan)
        if delivery.sent_at:
            yield Entry(delivery.sent_at, "delivery", f"{name}: sent to the sites")
        if delivery.applied_at:
            yield Entry(delivery.applied_at, "delivery", f"{name}: active in the car")


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


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _facts(data: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in data.items())
