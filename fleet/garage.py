"""Decides who gets, keeps and loses a car; never takes money, nor tells a car anything.

# Note [A claim is not a key]
Whoever sits in a car can read its code: a buyer, but also a thief or a guest. So a right code for
a car that has an owner opens a claim and shows nothing. The owner is told and may release the car
or object; staff decide on proof; after 14 days without a word a fresh code completes the claim,
since a seller who has moved on never answers.

# Note [A car leaves service]
A car that is scrapped, stolen or taken back keeps its row, its VIN and its past. Its key is refused
at once where tokens are made, and its tokens at every site as soon as the site has the tombstone: a
snapshot with a newer version that says "removed". Its gifts end with it, and what its owner pays
for it, with the unused time paid back. Undone by staff it has its gifts for what was left of them;
an owner comes as to any car, by a code from its screen, and what was paid for does not come back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import grants, subjects
from billing.grants import Gift
from fleet import pairing, rights
from fleet.models import Claim, DomainEvent, Ownership, Vehicle
from fleet.vin import Vin

SILENCE = timedelta(days=14)


class NotInGarage(LookupError):
    """There is no such car among this owner's: unknown and foreign ones look the same."""


class AlreadyYours(Exception):
    """The car is in this very garage."""

    def __init__(self, vehicle_id: UUID) -> None:
        """Take the car's id, for a link to its page."""
        self.vehicle_id = vehicle_id
        super().__init__("This car is in your garage already.")


class ClaimClosed(Exception):
    """The claim has been decided: there is nothing left to object to or to decide."""


@dataclass(frozen=True, slots=True)
class Added:
    """The car is now in the garage."""

    vehicle: Vehicle


@dataclass(frozen=True, slots=True)
class ClaimOpened:
    """The car has an owner, who has been told. See Note [A claim is not a key]."""

    claim: Claim


def add(*, owner: Any, vin: Vin, code: str, now: datetime) -> Added | ClaimOpened:
    """Put the car with this VIN into the garage, on the word of the code that it shows.

    Raises AlreadyYours, pairing.TooManyTries or pairing.WrongCode.
    """
    with transaction.atomic(durable=True):
        vehicle = _lock(vin=vin.text, removed_at=None)
        ownership = _ownership(vehicle)
        if ownership and ownership.owner_id == owner.pk:
            raise AlreadyYours(ownership.vehicle_id)
        pairing.check_limits(account=owner, vin=vin.text, now=now)
        right = pairing.redeem(vehicle, account=owner, vin=vin.text, code=code, now=now)
        outcome = _take(vehicle, ownership, owner, now=now) if vehicle and right else None
    if outcome is None:  # Only now, so that the wrong try stays counted.
        raise pairing.WrongCode("The VIN and the code do not belong together.")
    return outcome


def owned(*, owner: Any, vehicle_id: UUID) -> Vehicle:
    """Return the car if it is this owner's, unlocked. Raises NotInGarage."""
    mine = Ownership.objects.filter(owner=owner, vehicle_id=vehicle_id, ends_at=None)
    ownership = mine.select_related("vehicle").first()
    if ownership is None:
        raise NotInGarage
    return ownership.vehicle


def hold(*, owner: Any, vehicle_id: UUID) -> Ownership:
    """Return the owner's hold on a car, which is locked until the transaction ends.

    Raises NotInGarage.
    """
    ownership = _ownership(_lock(pk=vehicle_id))
    if ownership is None or ownership.owner_id != owner.pk:
        raise NotInGarage
    return ownership


def release(*, owner: Any, vehicle_id: UUID, now: datetime) -> None:
    """Take the car out of the garage; its paid plan ends now and unused time is paid back.

    Whoever claims the car is told that it is free. Raises NotInGarage.
    """
    with transaction.atomic(durable=True):
        ownership = hold(owner=owner, vehicle_id=vehicle_id)
        vehicle = ownership.vehicle
        _end(ownership, actor=owner, now=now)
        _record("vehicle_released", vehicle, actor=owner, now=now)
        for claim in _undecided(vehicle):
            _close(claim, Claim.State.RELEASED, actor=owner, now=now)


def pass_on(ownership: Ownership, *, to: Any, now: datetime) -> None:
    """Hand a car to who has accepted it, in the caller's transaction that holds it.

    What its owner pays for it ends, and claims on it are settled.
    """
    vehicle = ownership.vehicle
    _hand_over(vehicle, ownership, to, actor=to, now=now, accepted=True)
    for claim in _undecided(vehicle):
        theirs = claim.claimant_id == to.pk
        _close(claim, Claim.State.GRANTED if theirs else Claim.State.REFUSED, actor=to, now=now)


def object_to(*, owner: Any, vehicle_id: UUID, claim_id: int, now: datetime) -> None:
    """Say no to a claim: it then waits for staff, however long. Raises NotInGarage, ClaimClosed."""
    with transaction.atomic(durable=True):
        vehicle = hold(owner=owner, vehicle_id=vehicle_id).vehicle
        claim = vehicle.claims.filter(pk=claim_id, state=Claim.State.OPEN).first()
        if claim is None:
            raise ClaimClosed
        claim.state = Claim.State.OBJECTED
        claim.save(update_fields=["state"])
        _record("claim_objected", vehicle, actor=owner, now=now, **_parties(claim))


def decide(claim: Claim, *, grant: bool, reason: str, actor: Any, now: datetime) -> None:
    """Decide a claim for staff, on proof: the car changes hands, or stays. Raises ClaimClosed."""
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(pk=claim.vehicle_id)
        claim = Claim.objects.select_related("claimant").get(pk=claim.pk)
        if claim.state not in Claim.UNDECIDED:
            raise ClaimClosed
        if grant:
            _hand_over(vehicle, _ownership(vehicle), claim.claimant, actor=actor, now=now)
        state = Claim.State.GRANTED if grant else Claim.State.REFUSED
        _close(claim, state, actor=actor, now=now, reason=reason)
        for other in _undecided(vehicle) if grant else ():
            _close(other, Claim.State.REFUSED, actor=actor, now=now, reason=reason)


def retire(*, vehicle_id: UUID, reason: str, actor: Any, now: datetime) -> bool:
    """Take a car out of service for good: nobody owns it, nothing is paid for it, it is told no.

    See Note [A car leaves service]. False, and nothing is changed, if it has left already.
    """
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle_id)
        if vehicle.removed_at is not None:
            return False
        vehicle.removed_at = now
        vehicle.save(update_fields=["removed_at"])
        ownership = _ownership(vehicle)
        if ownership is not None:
            _end(ownership, actor=actor, now=now)
        pairing.void(vehicle, now=now)
        for claim in _undecided(vehicle):
            _close(claim, Claim.State.REFUSED, actor=actor, now=now, reason=reason)
        ended = grants.end_all(vehicle_id, actor=actor, reason=reason, now=now)
        subjects.bump([vehicle_id], now=now)
        owner = str(ownership.owner_id) if ownership else ""
        facts = {"owner": owner, "reason": reason, "gifts": [_written(gift) for gift in ended]}
        _record("vehicle_retired", vehicle, actor=actor, now=now, **facts)
    return True


def reinstate(*, vehicle_id: UUID, reason: str, actor: Any, now: datetime) -> bool:
    """Undo a retirement that was a mistake, as far as it can be undone.

    See Note [A car leaves service]. False, and nothing is changed, if the car is in service.
    """
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle_id)
        if vehicle.removed_at is None:
            return False
        vehicle.removed_at = None
        vehicle.save(update_fields=["removed_at"])
        retired = vehicle.events.filter(kind="vehicle_retired").order_by("-id").first()
        for written in retired.data["gifts"] if retired else ():
            gift = _gift(vehicle, written, now=now)
            if gift is not None:
                grants.give(gift, now=now)
        subjects.bump([vehicle_id], now=now)
        _record("vehicle_reinstated", vehicle, actor=actor, now=now, reason=reason)
    return True


def _written(gift: Gift) -> list[str]:
    """A gift as the journal keeps it: plan, source, start and end."""
    ends_at = gift.ends_at.isoformat() if gift.ends_at else ""
    return [gift.plan, gift.source, gift.starts_at.isoformat(), ends_at]


def _gift(vehicle: Vehicle, written: list[str], *, now: datetime) -> Gift | None:
    """What is left now of a gift that the journal has."""
    plan, source, *instants = written
    starts_at, ends_at = (datetime.fromisoformat(at) if at else None for at in instants)
    starts_at = max(starts_at or now, now).replace(microsecond=0)
    if ends_at is not None and ends_at <= starts_at:
        return None
    return Gift(vehicle.pk, plan, source, starts_at, ends_at)


def _take(
    vehicle: Vehicle, ownership: Ownership | None, owner: Any, *, now: datetime
) -> Added | ClaimOpened:
    """Act on a right code. See Note [A claim is not a key]."""
    if ownership is None:
        _own(vehicle, owner, now=now)
        return Added(vehicle)
    claim = _undecided(vehicle).filter(claimant=owner).first()
    if claim is None:
        claim = Claim.objects.create(vehicle=vehicle, claimant=owner, opened_at=now)
        _record("claim_opened", vehicle, actor=owner, now=now, **_parties(claim, ownership))
    elif claim.state == Claim.State.OPEN and claim.opened_at + SILENCE <= now:
        _hand_over(vehicle, ownership, owner, actor=owner, now=now)
        _close(claim, Claim.State.COMPLETED, actor=owner, now=now)
        for other in _undecided(vehicle):
            _close(other, Claim.State.REFUSED, actor=owner, now=now)
        return Added(vehicle)
    return ClaimOpened(claim)


def _hand_over(
    vehicle: Vehicle,
    ownership: Ownership | None,
    to: Any,
    *,
    actor: Any,
    now: datetime,
    **facts: Any,
) -> None:
    if ownership is not None:
        _end(ownership, actor=actor, now=now)
        facts = {"owner": str(ownership.owner_id), **facts}
        _record("vehicle_lost", vehicle, actor=actor, now=now, **facts)
    _own(vehicle, to, now=now)


def _own(vehicle: Vehicle, owner: Any, *, now: datetime) -> None:
    pairing.void(vehicle, now=now)
    Ownership.objects.create(vehicle=vehicle, owner=owner, starts_at=now)
    _record("vehicle_added", vehicle, actor=owner, now=now, owner=str(owner.pk))


def _end(ownership: Ownership, *, actor: Any, now: datetime) -> None:
    """End an ownership, and with it all that its owner has allowed or pays for this car."""
    ownership.ends_at = now
    ownership.save(update_fields=["ends_at"])
    pairing.void(ownership.vehicle, now=now)
    rights.end(ownership, actor=actor, now=now)
    subjects.vacate(ownership.vehicle_id, actor=actor, now=now)


def _close(claim: Claim, state: str, *, actor: Any, now: datetime, reason: str = "") -> None:
    claim.state, claim.decided_at = state, now
    claim.save(update_fields=["state", "decided_at"])
    facts = {**_parties(claim), **({"reason": reason} if reason else {})}
    _record(f"claim_{state}", claim.vehicle, actor=actor, now=now, **facts)


def _parties(claim: Claim, ownership: Ownership | None = None) -> dict[str, Any]:
    facts = {"claim": claim.pk, "claimant": str(claim.claimant_id)}
    return {**facts, "owner": str(ownership.owner_id)} if ownership else facts


def _lock(**lookup: Any) -> Vehicle | None:
    """Return the car, locked until the transaction ends; each use case here does this first."""
    return Vehicle.objects.select_for_update(no_key=True).filter(**lookup).first()


def _ownership(vehicle: Vehicle | None) -> Ownership | None:
    if vehicle is None:
        return None
    return vehicle.ownerships.select_related("vehicle").filter(ends_at=None).first()


def _undecided(vehicle: Vehicle) -> Any:
    return vehicle.claims.select_related("vehicle").filter(state__in=Claim.UNDECIDED)


def _record(kind: str, vehicle: Vehicle, *, actor: Any, now: datetime, **data: Any) -> None:
    DomainEvent.objects.create(kind=kind, at=now, vehicle=vehicle, actor=actor, data=data)
