"""Decides when a new key for leases takes over, and removes one that has leaked.

See Note [The life of a lease key] in fleet.signing. It must never see what the keys have signed.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from billing import locks
from fleet import signing
from fleet.models import DomainEvent, LeaseSchedule
from fleet.signing import Key, Schedule

# Cars keep the published keys for a day, and every edge is to have the seed by then.
LEAD = timedelta(days=2)
_LOCK = "fleet.rotation"


class Busy(Exception):
    """Somebody else changes the schedule at this moment."""


class Refused(ValueError):
    """This would leave cars without a lease; the message says what to do first."""


def current() -> tuple[int, dict[str, Any]]:
    """The revision of the schedule and its content; 0 and nothing before the first."""
    row = LeaseSchedule.objects.order_by("-revision").first()
    return (row.revision, dict(row.content)) if row else (0, {})


def schedule() -> Schedule:
    """The schedule that is in force."""
    return signing.parse(current()[1])


def lacking() -> datetime | None:
    """Since when the schedule names a newest key whose seed this process does not have."""
    row = LeaseSchedule.objects.order_by("-revision").first()
    keys = signing.parse(row.content).keys if row else ()
    return row.at if row and keys and keys[-1].kid not in signing.seeds() else None


def settle(*, now: datetime) -> bool:
    """Schedule the environment's key where the schedule names none that this process has.

    So it is at the very first start, and after somebody has put a new key in the place of the old
    one: that signs from now on, and what the old one signed stays good. Return whether it did.
    """
    instant = int(now.timestamp())
    if _signs(schedule(), instant):
        return False
    with locks.only_one(_LOCK) as mine:
        if not mine:
            return False
        found = schedule()
        # The oldest is the first of the previous ones; all could sign until now.
        waiting = _waiting(found, instant) if found.keys else list(signing.seeds())[::-1]
        if _signs(found, instant) or not waiting:
            return False
        for kid in waiting if not found.keys else waiting[:1]:
            found = _from(found, kid, instant)
        _record(found, "lease_keys_settled", {"kid": found.keys[-1].kid}, now=now)
    return True


def rotate(*, now: datetime) -> tuple[Key | None, bool]:
    """Let the next key of the environment sign from `LEAD` on.

    Return the key that takes over, and whether that was decided just now; None if the environment
    has no new one. Raises Busy.
    """
    settle(now=now)
    with locks.only_one(_LOCK) as mine:
        if not mine:
            raise Busy("Somebody else changes the keys at this moment. Run it again.")
        found, instant = schedule(), int(now.timestamp())
        coming = next((key for key in found.keys if key.since > instant), None)
        waiting = _waiting(found, instant)
        if coming or not waiting:
            return coming, False
        since = int((now + LEAD).timestamp())
        found = _from(found, waiting[0], since)
        _record(found, "lease_key_scheduled", {"kid": waiting[0], "since": since}, now=now)
    return found.keys[-1], True


def remove(*, kid: str, reason: str, now: datetime) -> bool:
    """Publish a key no more from now on, and give every car a lease under another one.

    The next key takes over at once if this one signs. False, and nothing is changed, if it was
    removed before. Raises Refused, Busy.
    """
    settle(now=now)
    with locks.only_one(_LOCK) as mine:
        if not mine:
            raise Busy("Somebody else changes the keys at this moment. Run it again.")
        found, instant = schedule(), int(now.timestamp())
        if kid in found.removed:
            return False
        known = signing.published(found, now=instant)
        if kid not in known:
            raise Refused(f"No key {kid!r} is published. These are: {', '.join(known)}.")
        left = _without(found, kid, instant)
        _record(left, "lease_key_removed", {"kid": kid, "reason": reason}, now=now)
    return True


def renumber(*, by: int, now: datetime) -> None:
    """Set the same schedule anew, under a number that is higher by so much. Raises Busy."""
    with locks.only_one(_LOCK) as mine:
        if not mine:
            raise Busy("Somebody else changes the keys at this moment. Run it again.")
        revision, content = current()
        LeaseSchedule.objects.create(revision=revision + by, content=content, at=now)


def _without(found: Schedule, kid: str, now: int) -> Schedule:
    begun = [key.kid for key in found.keys if key.since <= now]
    left = Schedule(
        keys=tuple(key for key in found.keys if key.kid != kid),
        removed=found.removed | {kid},
        raised=found.raised + 1,
    )
    waiting = _waiting(left, now)
    if waiting and begun and kid == begun[-1]:
        left = _from(left, waiting[0], now)
    try:
        signing.signer(left, now=now)
    except signing.NoKey:
        raise Refused(
            "No other key could sign, so every car would be left without a lease. Put a new seed "
            "first in LEASE_SIGNING_KEYS, restart every process with it, and run this again."
        ) from None
    return left


def _signs(found: Schedule, now: int) -> bool:
    """Whether the schedule lets a key of this process sign."""
    ours = signing.seeds()
    return any(
        key.kid in ours and key.since <= now and found.publishes(key.kid, now + signing.LIFETIME)
        for key in found.keys
    )


def _waiting(found: Schedule, now: int) -> list[str]:
    """Our keys that have not signed yet: the one that is scheduled, then the others, oldest first.

    The environment names the newest first.
    """
    begun = {key.kid for key in found.keys if key.since <= now} | found.removed
    scheduled = {key.kid for key in found.keys}
    fresh = [kid for kid in reversed(signing.seeds()) if kid not in begun]
    return sorted(fresh, key=lambda kid: kid not in scheduled)


def _from(found: Schedule, kid: str, since: int) -> Schedule:
    """The schedule in which this key signs from then on."""
    seed = signing.seeds()[kid]
    others = [key for key in found.keys if key.kid != kid]
    keys = sorted([*others, Key(kid, signing.public(seed), since)], key=lambda key: key.since)
    return found._replace(keys=tuple(keys))


def _record(found: Schedule, kind: str, data: dict[str, Any], *, now: datetime) -> None:
    with transaction.atomic(durable=True):
        revision, _ = current()
        LeaseSchedule.objects.create(revision=revision + 1, content=found.content(), at=now)
        DomainEvent.objects.create(kind=kind, at=now, data=data)
