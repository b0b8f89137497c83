"""An audit trail, for whoever tells people: each event is handed out until it is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile
from typing import Any
from uuid import UUID

from django.db.models import Q

from billing.models import DomainEvent


@dataclass(frozen=True, slots=True)
class Journal:
    """One app's domain events, in a model with a `noticed_at`; `people` names who is told."""

    model: Any
    people: tuple[str, ...]

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

    def has_told(self, person: Any) -> bool:
        """Whether nothing that happened to this person waits to be told; few events wait."""
        theirs = Q()
        for name in self.people:
            theirs |= Q(**{name: str(person.pk)})
        return not self.model.objects.filter(theirs, noticed_at=None).exists()


journal = Journal(DomainEvent, ("payer", "actor", "data__owner"))


def record(kind: str, *, payer: Any, actor: Any, data: dict[str, Any], now: datetime) -> int:
    """Write down what happened to a payer, in the caller's transaction; return the event's id."""
    return DomainEvent.objects.create(kind=kind, at=now, payer=payer, actor=actor, data=data).pk


def happened_to(payer: Any, kind: str) -> bool:
    """Whether something of this kind has happened to a payer."""
    return DomainEvent.objects.filter(payer=payer, kind=kind).exists()


def of_subscription(stripe_id: str, subject_id: UUID | None) -> list[tuple[str, dict[str, Any]]]:
    """Kind and data of all that happened to a subscription, the oldest first.

    With what ended it for another reason than its own: that its seat was vacated since it began.
    """
    if not stripe_id or subject_id is None:
        return []
    its = Q(data__subscription=stripe_id) | Q(kind="seat_vacated")
    rows = DomainEvent.objects.filter(its, subject_id=subject_id).order_by("id")
    found = rows.values_list("kind", "data")
    return list(dropwhile(lambda row: row[1].get("subscription") != stripe_id, found))
