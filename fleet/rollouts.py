"""Roll-outs: a new feature joins a plan, for some cars, then for more, is halted or taken back.

Each change publishes a new, higher revision of the catalogue, together with its own record, and
writes a handful of rows however many cars there are. It must never look at a single car: which
ones are in a share follows from Note [Shares] in billing.catalog.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from billing import revisions
from fleet.models import DomainEvent, Rollout
from fleet.models.rollouts import SHARES

Audience = Mapping[str, Sequence[str]]
KINDS = ("market", "model", "hardware")  # as Vehicle.traits_of labels them


class Overtaken(Exception):
    """Somebody else has changed the roll-out since it was looked at."""


class WrongShare(ValueError):
    """The share does not grow, or is none."""


class Over(Exception):
    """The roll-out was rolled back, or is halted already."""


def begin(
    *,
    feature: str,
    name: str,
    plan: str,
    audience: Audience,
    share: int,
    reason: str,
    actor: Any,
    now: datetime,
) -> Rollout:
    """Have a new feature join a plan, for a share of the cars of these markets, models, hardware.

    Raises revisions.FeatureIsThere, WrongShare, billing.catalog.CatalogInvalid.
    """
    _require_share(share, above=0)
    groups = {kind: sorted(audience[kind]) for kind in KINDS if audience.get(kind)}
    salt = f"{feature}@{int(now.timestamp())}"
    entry = {
        "code": feature,
        "name": name,
        "requires": [[f"{kind}:{each}" for each in group] for kind, group in groups.items()],
        "share": share,
        "salt": salt,
    }
    with transaction.atomic(durable=True):
        published = revisions.add_feature(entry, plan=plan, actor=actor, now=now)
        rollout = Rollout.objects.create(
            feature=feature,
            name=name,
            plan=plan,
            audience=groups,
            salt=salt,
            share=share,
            revision=published.revision,
            began_at=now,
            changed_at=now,
        )
        _record("rollout_begun", rollout, reason=reason, actor=actor, now=now)
    return rollout


def raise_share(
    *, rollout_id: int, share: int, seen: int, reason: str, actor: Any, now: datetime
) -> Rollout:
    """Give the feature to more cars; nobody loses it. One that was halted goes on with this.

    `seen` is the revision of the roll-out as the person saw it. Raises Overtaken, WrongShare, Over.
    """
    with transaction.atomic(durable=True):
        rollout = _open(rollout_id, seen)
        _require_share(share, above=rollout.share)
        rollout.share, rollout.state = share, Rollout.State.RUNNING
        changed = {"share": share, "halted": False}
        _publish(rollout, changed, actor=actor, now=now)
        _record("rollout_raised", rollout, reason=reason, actor=actor, now=now)
    return rollout


def halt(*, rollout_id: int, seen: int, reason: str, actor: Any, now: datetime) -> Rollout:
    """Let the share stand where it is; the cars in it keep the feature. Raises Overtaken, Over."""
    with transaction.atomic(durable=True):
        rollout = _open(rollout_id, seen)
        if rollout.state == Rollout.State.HALTED:
            raise Over("It is halted already.")
        rollout.state = Rollout.State.HALTED
        _publish(rollout, {"halted": True}, actor=actor, now=now)
        _record("rollout_halted", rollout, reason=reason, actor=actor, now=now)
    return rollout


def roll_back(*, rollout_id: int, seen: int, reason: str, actor: Any, now: datetime) -> Rollout:
    """Take the feature from the plan, and so from all cars. Raises Overtaken, Over."""
    with transaction.atomic(durable=True):
        rollout = _open(rollout_id, seen)
        rollout.state = Rollout.State.ROLLED_BACK
        _publish(rollout, None, actor=actor, now=now)
        _record("rollout_rolled_back", rollout, reason=reason, actor=actor, now=now)
    return rollout


def percent(share: int) -> str:
    """A share in words."""
    return f"{share / (SHARES // 100):g} %"


def _open(rollout_id: int, seen: int) -> Rollout:
    """The roll-out, locked, if it still is as it was seen."""
    rollout = Rollout.objects.select_for_update(no_key=True).get(id=rollout_id)
    if rollout.revision != seen:
        raise Overtaken(
            f"Somebody has changed this since you looked: it is {rollout.get_state_display()} at "
            f"{percent(rollout.share)} now, by catalogue {rollout.revision}. Nothing of yours was "
            "done. Look at what they did and why, then decide anew."
        )
    if rollout.state not in Rollout.OPEN:
        raise Over("It was rolled back. Begin a new one.")
    return rollout


def _require_share(share: int, *, above: int) -> None:
    if not above < share <= SHARES:
        raise WrongShare(
            f"A share only grows: give more than {percent(above)}, up to 100 %. To take the "
            "feature from cars, roll it back."
        )


def _publish(
    rollout: Rollout, changed: Mapping[str, Any] | None, *, actor: Any, now: datetime
) -> None:
    """Publish what has changed of the feature, None: that it is gone; and write the record."""
    if changed is None:
        published = revisions.remove_feature(rollout.feature, actor=actor, now=now)
    else:
        published = revisions.change_feature(rollout.feature, changed, actor=actor, now=now)
    rollout.revision, rollout.changed_at = published.revision, now
    rollout.save(update_fields=["share", "state", "revision", "changed_at"])


def _record(kind: str, rollout: Rollout, *, reason: str, actor: Any, now: datetime) -> None:
    data = {
        "rollout": rollout.pk,
        "feature": rollout.feature,
        "share": rollout.share,
        "catalog": rollout.revision,
        "reason": reason,
    }
    DomainEvent.objects.create(kind=kind, at=now, actor=actor, data=data)
