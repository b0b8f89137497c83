"""What an owner sees of each car: facts, billing's truth, the car's own; changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from billing import queries, withdrawal
from billing.catalog import Catalog
from billing.standing import Standing, standings
from fleet import carlines, markets
from fleet.garage import NotInGarage
from fleet.models import Claim, Ownership, Vehicle

# Who pays already, or could not pay twice, sees no price.
FREE_TO_BUY = frozenset({"none", "checkout_open", "ended"})


class Hindrance(StrEnum):
    """Why Premium cannot be bought for a car."""

    NO_MODEM = "no_modem"
    REMOVED = "removed"
    LIFETIME = "lifetime"
    HAS_IT = "has_it"


class MayNotBuy(Exception):
    """Premium is not for sale for this car now."""

    def __init__(self, hindrance: Hindrance) -> None:
        """Take what stands in the way, for the page to put in words."""
        self.hindrance = hindrance
        super().__init__(hindrance)


@dataclass(frozen=True, slots=True)
class Entry:
    """A car in a garage: `standing` is what billing says, `line` what is known of the car.

    `sold` is the catalogue by which both were judged.
    """

    vehicle: Vehicle
    standing: Standing
    line: carlines.CarLine
    claims: tuple[Claim, ...]
    sold: Catalog

    @property
    def hindrance(self) -> Hindrance | None:
        """Why Premium cannot be bought for this car; None if it can."""
        if self.vehicle.removed_at is not None:
            return Hindrance.REMOVED
        if not self.vehicle.has_modem:
            return Hindrance.NO_MODEM
        if self.vehicle.lifetime_premium:
            return Hindrance.LIFETIME
        return None if self.standing.state in FREE_TO_BUY else Hindrance.HAS_IT

    def withdrawable_until(self, now: datetime) -> datetime | None:
        """Until when its owner can withdraw from the contract; None if they cannot."""
        began = self.standing.began_at
        if began is None or self.standing.state in FREE_TO_BUY:
            return None
        if not markets.may_withdraw(self.vehicle.market):
            return None
        last = began + withdrawal.DAYS
        return last if now < last else None


def vehicles_of(*, owner: Any, now: datetime) -> list[Entry]:
    """Return the owner's cars, the longest owned first, in a number of queries that stays."""
    mine = Ownership.objects.filter(owner=owner, ends_at=None).order_by("starts_at", "id")
    return _entries(list(mine.select_related("vehicle")), owner, now=now)


def entry(*, owner: Any, vehicle_id: UUID, now: datetime) -> Entry:
    """Return one of the owner's cars. Raises NotInGarage for a foreign and an unknown one alike."""
    mine = Ownership.objects.filter(owner=owner, vehicle_id=vehicle_id, ends_at=None)
    ownership = mine.select_related("vehicle").first()
    if ownership is None:
        raise NotInGarage
    return _entries([ownership], owner, now=now)[0]


def former(*, owner: Any, vehicle_id: UUID) -> Vehicle:
    """Return a car that was this person's once. Raises NotInGarage for any other."""
    past = Ownership.objects.filter(owner=owner, vehicle_id=vehicle_id, ends_at__isnull=False)
    ownership = past.select_related("vehicle").order_by("-ends_at").first()
    if ownership is None:
        raise NotInGarage
    return ownership.vehicle


def check_owner(*, owner: Any, vehicle_id: UUID) -> None:
    """Raise NotInGarage unless the car is still this owner's."""
    if not Ownership.objects.filter(owner=owner, vehicle_id=vehicle_id, ends_at=None).exists():
        raise NotInGarage


def check_may_buy(entry: Entry) -> None:
    """Raise MayNotBuy unless Premium is for sale for this car now."""
    if entry.hindrance is not None:
        raise MayNotBuy(entry.hindrance)


def _entries(ownerships: Sequence[Ownership], owner: Any, *, now: datetime) -> list[Entry]:
    vehicles = [ownership.vehicle for ownership in ownerships]
    owned_since = {ownership.vehicle_id: ownership.starts_at for ownership in ownerships}
    ids = [vehicle.id for vehicle in vehicles]
    picture = queries.picture(ids)
    found = standings(ids, payer=owner, now=now, picture=picture)
    lines = carlines.car_lines(vehicles, now=now, owned_since=owned_since, picture=picture)
    claims: dict[UUID, list[Claim]] = {vehicle.id: [] for vehicle in vehicles}
    for claim in Claim.objects.filter(vehicle__in=vehicles, state=Claim.State.OPEN).order_by("id"):
        claims[claim.vehicle_id].append(claim)
    return [
        Entry(
            vehicle=vehicle,
            standing=found[vehicle.id],
            line=lines.get(vehicle.id, carlines.CarLine("none")),
            claims=tuple(claims[vehicle.id]),
            sold=picture.sold,
        )
        for vehicle in vehicles
    ]
