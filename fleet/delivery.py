"""Brings a site up to date, and a delivery to its end; idempotent by version.

Sent and applied are different facts: only a car's own report says "applied".
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing import queries, subjects
from billing.catalog import STANDARD, Catalog
from billing.entitlements import resolve
from fleet import contact, hints, pace, rotation, rows, snapshots
from fleet.models import Delivery, DomainEvent, Report, Vehicle
from fleet.snapshots import Snapshot

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
JUST_NOW = timedelta(minutes=1)
REASON = 500  # characters of a car's own words that are kept
AT_ONCE = 500  # changes that a site is told in one transaction


class AheadOfUs(ValueError):
    """The report names a version or catalogue that was never issued."""


class FormerUnit(Exception):
    """The report is that of a unit which is no longer the car's."""


def publish(site: str, *, limit: int = AT_ONCE, now: datetime) -> int:
    """Tell a site what has changed; return how many changes it was told.

    Each vehicle's delivery is on record before the site is told. Raises snapshots.SiteAway: then
    the changes wait for the next call, and so do the deliveries, as pending.
    """
    with transaction.atomic(durable=True):
        changes = subjects.unsent(site, limit)
        if not changes:
            return 0
        fresh = rows.load(_lock({change.subject_id for change in changes}))
        put_on_record(fresh, now=now)
        away = _write(site, fresh)
        if away is None:
            _mark_sent(fresh, now=now)
            subjects.sent(changes)
    if away is not None:
        raise away
    hints.publish(snapshot.vehicle_id for snapshot in fresh)
    return len(changes)


def publish_catalog(site: str) -> None:
    """Tell a site which catalogue is published. Raises snapshots.SiteAway."""
    revision, document = queries.catalog_document()
    snapshots.write_catalog(site, revision, document)


def publish_pace(site: str) -> None:
    """Tell a site how often cars are to ask. Raises snapshots.SiteAway."""
    snapshots.write_pace(site, *pace.current())


def publish_lease_schedule(site: str) -> None:
    """Tell a site which key signs leases from when. Raises snapshots.SiteAway."""
    snapshots.write_lease_schedule(site, *rotation.current())


def resend(*, vehicle_id: UUID, reason: str, actor: Any, now: datetime) -> bool:
    """Have a car told once more what it has; False if that was begun within the last minute."""
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(id=vehicle_id)
        version = queries.version(vehicle_id)
        newest = Delivery.objects.filter(vehicle=vehicle, version=version).first()
        if newest is None or newest.changed_at > now - JUST_NOW:
            return False
        subjects.bump([vehicle_id], now=now)
        DomainEvent.objects.create(
            kind="delivery_resent",
            at=now,
            vehicle=vehicle,
            actor=actor,
            data={"reason": reason, "version": version + 1},
        )
    return True


@dataclass(frozen=True, slots=True)
class Said:
    """What a car says became of a version; `generation` is that of the unit which reports."""

    vehicle_id: UUID
    generation: int
    version: int
    catalog: int
    applied: bool
    reason: str
    at: datetime
    received_at: datetime


def report(said: Said) -> None:
    """Record what a car says; an older report changes nothing. Raises AheadOfUs, FormerUnit."""
    [error] = report_all([said])
    if error is not None:
        raise error


def report_all(all_said: Sequence[Said]) -> list[AheadOfUs | FormerUnit | None]:
    """Record what cars say, each at most once here; return what is wrong with each report."""
    with transaction.atomic(durable=True):
        known = {car.id: car for car in _lock_all(said.vehicle_id for said in all_said)}
        versions = queries.versions(known)
        newest, _ = queries.catalog_document()
        wrong = [_wrong(said, known, versions, newest) for said in all_said]
        good = [said for said, error in zip(all_said, wrong, strict=True) if error is None]
        last = Report.objects.in_bulk([said.vehicle_id for said in good])
        news = [said for said in good if not _is_older(said, last.get(said.vehicle_id))]
        _store(news, known)
        # Once a car has applied a version, that is final: what is new is the catalogue.
        over = {(each.vehicle_id, each.version) for each in last.values() if each.applied}
        _deliver([said for said in news if (said.vehicle_id, said.version) not in over])
    return wrong


def _lock_all(vehicle_ids: Iterable[UUID]) -> list[Vehicle]:
    rows = Vehicle.objects.select_for_update(no_key=True).filter(id__in=list(vehicle_ids))
    return list(rows.order_by("id"))


def _wrong(
    said: Said, known: Mapping[UUID, Vehicle], versions: Mapping[UUID, int], newest: int
) -> AheadOfUs | FormerUnit | None:
    car = known.get(said.vehicle_id)
    if car is None or car.removed_at or car.credential_generation != said.generation:
        return FormerUnit("The car's credential has changed; ask for a new token.")
    if said.version > versions[car.id] or said.catalog > newest:
        return AheadOfUs("The report names a version or catalogue that was never issued.")
    return None


def _store(news: Sequence[Said], known: Mapping[UUID, Vehicle]) -> None:
    """Store what is newer than what we knew."""
    if not news:
        return
    stored = ("version", "catalog", "applied", "reason", "at", "received_at")
    Report.objects.bulk_create(
        (
            Report(
                vehicle_id=said.vehicle_id,
                reason=said.reason[:REASON],
                **{name: getattr(said, name) for name in stored if name != "reason"},
            )
            for said in news
        ),
        update_conflicts=True,
        unique_fields=["vehicle"],
        update_fields=stored,
    )
    contact.note_read((known[said.vehicle_id] for said in news), now=news[0].received_at)


def _deliver(news: Sequence[Said]) -> None:
    """Bring the deliveries of these versions to the end of which the cars speak."""
    if not news:
        return
    # A car that asked PostgreSQL itself may know of a version before any site was told.
    fresh = rows.load([each.vehicle_id for each in news])
    put_on_record(fresh, heard_of=news, now=news[0].received_at)
    _conclude(news)


def _lock(vehicle_ids: Iterable[UUID]) -> list[UUID]:
    """Lock these vehicles, in one order for all, so that two publishers never wait crosswise."""
    rows = Vehicle.objects.select_for_update(no_key=True).filter(id__in=vehicle_ids)
    return list(rows.order_by("id").values_list("id", flat=True))


def _write(site: str, fresh: Sequence[Snapshot]) -> snapshots.SiteAway | None:
    try:
        snapshots.write(site, fresh)
    except snapshots.SiteAway as error:
        return error
    return None


def put_on_record(
    fresh: Sequence[Snapshot], *, heard_of: Sequence[Said] = (), now: datetime
) -> None:
    """Put a delivery on record for each version that has none.

    Of a version that cars are `heard_of` and no site was told, since a newer one came meanwhile,
    nobody knows any more what it said: it counts as Standard, so that nothing is claimed by it.
    """
    sold, instant = queries.catalog(), int(now.timestamp())
    known = [
        Delivery(
            vehicle_id=snapshot.vehicle_id,
            version=snapshot.version,
            grants=[[g.plan, g.starts_at, g.ends_at, g.source] for g in snapshot.grants],
            plan=_plan(snapshot, sold, instant),
        )
        for snapshot in fresh
    ]
    heard = [
        Delivery(vehicle_id=said.vehicle_id, version=said.version, plan=STANDARD)
        for said in heard_of
    ]
    for delivery in (both := [*known, *heard]):
        delivery.reference, delivery.changed_at = _reference(), now
    Delivery.objects.bulk_create(both, ignore_conflicts=True)


def _plan(snapshot: Snapshot, sold: Catalog, instant: int) -> str:
    return resolve(snapshot.grants, sold, snapshot.traits, snapshot.vehicle_id, instant).plan


def _mark_sent(fresh: Sequence[Snapshot], *, now: datetime) -> None:
    """Move the deliveries of these versions to sent; what came before them is superseded."""
    if not fresh:
        return
    these = [Q(vehicle_id=snapshot.vehicle_id, version=snapshot.version) for snapshot in fresh]
    _move(_any(these), Delivery.State.SENT, sent_at=now)
    _move(
        _any([Q(vehicle_id=s.vehicle_id, version__lt=s.version) for s in fresh]),
        Delivery.State.SUPERSEDED,
    )


def _conclude(news: Sequence[Said]) -> None:
    """Move the deliveries that the cars speak of, and put on record what has moved."""
    moved = [*_conclude_applied([said for said in news if said.applied])]
    for said in news:
        this = Q(vehicle_id=said.vehicle_id, version=said.version)
        fields: dict[str, object] = {"reason": said.reason[:REASON], "stuck_at": said.received_at}
        if not said.applied and _move(this, Delivery.State.FAILED, **fields):
            moved.append(said)
    DomainEvent.objects.bulk_create(
        DomainEvent(
            kind="delivery_applied" if said.applied else "delivery_failed",
            at=said.received_at,
            vehicle_id=said.vehicle_id,
            data={"version": said.version, "reason": said.reason[:REASON]},
        )
        for said in moved
    )


def _conclude_applied(news: Sequence[Said]) -> Iterator[Said]:
    """Move what was applied, all of it together; yield those of which that was news."""
    if not news:
        return
    these = _any(Q(vehicle_id=said.vehicle_id, version=said.version) for said in news)
    open_ = Delivery.objects.filter(these, state__in=_before(Delivery.State.APPLIED))
    fresh = set(open_.values_list("vehicle_id", "version"))
    _move(these, Delivery.State.APPLIED, applied_at=news[0].received_at, reason="")
    older = _any(Q(vehicle_id=said.vehicle_id, version__lt=said.version) for said in news)
    _move(older, Delivery.State.SUPERSEDED)
    yield from (said for said in news if (said.vehicle_id, said.version) in fresh)


def _is_older(said: Said, last: Report | None) -> bool:
    """Whether we know something newer: by component, and "applied" is final for one pair."""
    if last is None:
        return False
    if said.version < last.version or said.catalog < last.catalog:
        return True
    same = (said.version, said.catalog) == (last.version, last.catalog)
    return same and last.applied and not said.applied


def _before(state: Delivery.State) -> list[str]:
    """From where one may come to this state."""
    return [old for old, new in Delivery.TRANSITIONS.items() if state in new]


def _move(which: Q, state: Delivery.State, **fields: object) -> int:
    """Move deliveries along Delivery.TRANSITIONS; those that may not go there stay."""
    moving = Delivery.objects.filter(which, state__in=_before(state))
    return moving.update(state=state, **fields)


def _any(conditions: Iterable[Q]) -> Q:
    joined = Q()
    for condition in conditions:
        joined |= condition
    return joined


def _reference() -> str:
    letters = [secrets.choice(ALPHABET) for _ in range(10)]
    return f"{''.join(letters[:5])}-{''.join(letters[5:])}"
