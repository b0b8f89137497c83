"""Mails about whose a car is: added, given away, lost, retired, asked for by somebody else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from billing import queries, standing
from connectivity.notices.rules.mail import Mail, Reader, person
from fleet.models import Ownership

_GIFTS = ("factory", "trial", "goodwill")


def added(event: Any, now: datetime) -> Iterator[Mail]:
    """The buyer's proof: since when, what the car carries, what did not come with it."""
    owner = person(event.data.get("owner"))
    if owner is None:
        return
    reader = Reader(owner)
    earlier = Ownership.objects.filter(vehicle_id=event.vehicle_id, starts_at__lt=event.at)
    yield Mail(
        "vehicle_added",
        owner,
        {
            **reader.car(event.vehicle_id),
            "at": reader.moment(event.at),
            "bought": earlier.exclude(owner=owner).exists(),
            **_carries(event, reader, now),
        },
    )


def _carries(event: Any, reader: Reader, now: datetime) -> dict[str, Any]:
    """What the car has by itself, until when: the longest of what no subscription paid for."""
    facts = queries.facts([event.vehicle_id]).get(event.vehicle_id)
    second = int(now.timestamp())
    own = [
        grant
        for grant in (facts.grants if facts else ())
        if grant.source in _GIFTS and (grant.ends_at is None or grant.ends_at > second)
    ]
    if not own:
        return {"carries": "nothing"}
    if any(grant.ends_at is None for grant in own):
        return {"carries": "lifetime"}
    last = max(own, key=lambda grant: grant.ends_at or 0)
    carries = "trial" if last.source == "trial" else "gift"
    return {"carries": carries, "until": reader.day(datetime.fromtimestamp(last.ends_at or 0, UTC))}


def released(event: Any, now: datetime) -> Iterator[Mail]:
    """The seller's proof: since when the car is not theirs, what ended, what stays with the car."""
    # Who releases a car is its owner; who takes it from them is not.
    owner = event.actor if event.kind == "vehicle_released" else None
    yield from _gone("vehicle_released", event, person(event.data.get("owner")) or owner, now)


def retired(event: Any, now: datetime) -> Iterator[Mail]:
    """The car is out of service, and nobody pays for it any more."""
    yield from _gone("vehicle_retired", event, person(event.data.get("owner")), now)


def _gone(template: str, event: Any, owner: Any, now: datetime) -> Iterator[Mail]:
    if owner is None:
        return
    reader = Reader(owner)
    yield Mail(
        template,
        owner,
        {
            **reader.car(event.vehicle_id),
            "at": reader.moment(event.at),
            "paid": _paid(event, owner, now=now),
            "accepted": bool(event.data.get("accepted")),
        },
    )


def _paid(event: Any, owner: Any, *, now: datetime) -> bool:
    """Whether this very event ended something that the owner paid for."""
    if event.vehicle_id is None:
        return False
    terms = standing.standing(event.vehicle_id, payer=owner, now=now)
    ended = terms.grant_ends_at
    return ended is not None and ended >= event.at.replace(microsecond=0)


def claim_opened(event: Any, _now: datetime) -> Iterator[Mail]:
    """Somebody says that the car is theirs now."""
    owner = person(event.data.get("owner"))
    if owner is not None:
        yield Mail("claim_opened", owner, Reader(owner).car(event.vehicle_id))


def claim_decided(event: Any, _now: datetime) -> Iterator[Mail]:
    """How it ended; whoever got the car is told of that by `added`."""
    claimant = person(event.data.get("claimant"))
    if claimant is not None:
        outcome = event.kind.removeprefix("claim_")
        car = Reader(claimant).car(event.vehicle_id)
        yield Mail("claim_decided", claimant, {**car, "outcome": outcome})
