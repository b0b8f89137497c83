"""Brings a site up to date, and a delivery to its end; idempotent by version.

Sent and applied are different facts: only a car's own report says "applied".
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing import queries, subjects
from billing.catalog import Catalog
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


def report(
    *,
    vehicle_id: UUID,
    generation: int,
    version: int,
    catalog: int,
    applied: bool,
    reason: str,
    at: datetime,
    now: datetime,
) -> None:
    """Record what a car says became of a version; an older report changes nothing.

    `generation` is that of the unit which reports. Raises AheadOfUs, FormerUnit.
    """
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(id=vehicle_id)
        if vehicle.credential_generation != generation:
            raise FormerUnit("The car's credential has changed; ask for a new token.")
        if version > queries.version(vehicle.id) or catalog > queries.catalog().revision:
            raise AheadOfUs("The report names a version or catalogue that was never issued.")
        if _is_older(vehicle, version, catalog, applied=applied):
            return
        # A car that asked PostgreSQL itself may know of a version before any site was told.
        put_on_record(rows.load([vehicle.id]), now=now)
        Report.objects.update_or_create(
            vehicle=vehicle,
            defaults={
                "version": version,
                "catalog": catalog,
                "applied": applied,
                "reason": reason[:REASON],
                "at": at,
                "received_at": now,
            },
        )
        contact.note(vehicle, now=now)
        _conclude(vehicle, version, applied=applied, reason=reason[:REASON], now=now)


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


def put_on_record(fresh: Sequence[Snapshot], *, now: datetime) -> None:
    """Put a delivery on record for each version that has none."""
    sold, instant = queries.catalog(), int(now.timestamp())
    Delivery.objects.bulk_create(
        (
            Delivery(
                vehicle_id=snapshot.vehicle_id,
                version=snapshot.version,
                reference=_reference(),
                grants=[[g.plan, g.starts_at, g.ends_at, g.source] for g in snapshot.grants],
                plan=_plan(snapshot, sold, instant),
                changed_at=now,
            )
            for snapshot in fresh
        ),
        ignore_conflicts=True,
    )


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


def _conclude(vehicle: Vehicle, version: int, *, applied: bool, reason: str, now: datetime) -> None:
    this = Q(vehicle=vehicle, version=version)
    if applied:
        moved = _move(this, Delivery.State.APPLIED, applied_at=now, reason="")
        _move(Q(vehicle=vehicle, version__lt=version), Delivery.State.SUPERSEDED)
    else:
        moved = _move(this, Delivery.State.FAILED, reason=reason, stuck_at=now)
    if moved:
        DomainEvent.objects.create(
            kind="delivery_applied" if applied else "delivery_failed",
            at=now,
            vehicle=vehicle,
            data={"version": version, "reason": reason},
        )


def _is_older(vehicle: Vehicle, version: int, catalog: int, *, applied: bool) -> bool:
    """Whether we know something newer: by component, and "applied" is final for one pair."""
    last = Report.objects.filter(vehicle=vehicle).first()
    if last is None:
        return False
    if version < last.version or catalog < last.catalog:
        return True
    same = (version, catalog) == (last.version, last.catalog)
    return same and last.applied and not applied


def _move(which: Q, state: Delivery.State, **fields: object) -> int:
    """Move deliveries along Delivery.TRANSITIONS; those that may not go there stay."""
    sources = [old for old, new in Delivery.TRANSITIONS.items() if state in new]
    return Delivery.objects.filter(which, state__in=sources).update(state=state, **fields)


def _any(conditions: Iterable[Q]) -> Q:
    joined = Q()
    for condition in conditions:
        joined |= condition
    return joined


def _reference() -> str:
    letters = [secrets.choice(ALPHABET) for _ in range(10)]
    return f"{''.join(letters[:5])}-{''.join(letters[5:])}"
