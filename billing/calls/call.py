"""What a call to Stripe is made of: how it is made, what follows, how it is looked up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import DomainEvent, Subscription

Facts = dict[str, Any]


def _nothing(_request: Facts, *_: Any) -> None:
    """Nothing follows."""


def _unknown(_request: Facts, _key: str) -> Facts | None:
    """There is nothing to look up: the call may be made again as it is."""
    return None


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of intent, as functions of its request.

    `make` calls Stripe under a key and returns the answer; `apply` and `refused` record what
    follows, in the transaction that records the answer or the refusal. `find` asks Stripe whether
    an earlier call, whose answer nobody heard, was done: its answer, or None if it was not.
    """

    make: Callable[[Facts, str], Facts]
    apply: Callable[[Facts, Facts, datetime], None] = _nothing
    refused: Callable[[Facts, datetime], None] = _nothing
    find: Callable[[Facts, str], Facts | None] = _unknown

    @property
    def foresees_refusal(self) -> bool:
        """Whether it is known what a refusal means; else somebody has to look into it."""
        return self.refused is not _nothing


def seen_from(request: Facts) -> Facts:
    """The last ticket that a fetch had taken when the call was done: later ones will show it."""
    mine = Subscription.objects.filter(stripe_subscription_id=request["subscription"])
    return {"ticket": mine.values_list("ticket", flat=True).first() or 0}


def note(
    kind: str,
    stripe_subscription_id: str,
    *,
    now: datetime,
    actor: str | None = None,
    **data: Any,
) -> None:
    """Write down what a call has done to a subscription, for its subject and its payer.

    `actor` is the id of who asked for it, where that was somebody else.
    """
    subscription = (
        Subscription.objects.filter(stripe_subscription_id=stripe_subscription_id)
        .select_related("customer")
        .first()
    )
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        subject_id=subscription.subject_id if subscription else None,
        payer_id=subscription.customer.payer_id if subscription and subscription.customer else None,
        actor_id=actor,
        data={"subscription": stripe_subscription_id, **data},
    )
