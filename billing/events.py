"""An audit trail, for whoever tells people: each event is handed out until it is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import DomainEvent


@dataclass(frozen=True, slots=True)
class Journal:
    """One app's domain events, in a model with a `noticed_at`."""

    model: Any

    def unnoticed(self, limit: int) -> list[Any]:
        """Take the oldest events that nobody was told of, and nobody else has taken.

        Locked until the transaction ends; by lock, since commits do not come in order of ids.
        """
        rows = self.model.objects.select_for_update(skip_locked=True).filter(noticed_at=None)
        return list(rows.order_by("id")[:limit])

    def noticed(self, events: Iterable[Any], *, now: datetime) -> None:
        """Stamp events as told, or as of no interest to anybody."""
        ids = [event.pk for event in events]
        self.model.objects.filter(id__in=ids).update(noticed_at=now)


journal = Journal(DomainEvent)


def record(kind: str, *, payer: Any, actor: Any, data: dict[str, Any], now: datetime) -> int:
    """Write down what happened to a payer, in the caller's transaction; return the event's id."""
    return DomainEvent.objects.create(kind=kind, at=now, payer=payer, actor=actor, data=data).pk
