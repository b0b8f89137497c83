"""Which event is told to whom, and in which words; the only place that decides it.

One fact, one mail: what another event of the same act has told is told by no second one.
docs/mails.md has the same as a table.
"""

from datetime import datetime
from typing import Any

from connectivity.notices import outbox
from connectivity.notices.rules import (
    accounts,
    cars,
    drivers,
    garage,
    money,
    premium,
    rights,
    terms,
)
from connectivity.notices.rules.mail import Mail, Rule

__all__ = ["RULES", "Mail", "Rule", "apply"]

RULES: dict[tuple[str, str], Rule] = {
    ("billing", "grant_given"): premium.given,
    ("billing", "subscription_active"): premium.resumed,
    ("billing", "subscription_paused"): premium.paused,
    ("billing", "subscription_canceled"): premium.ended,
    ("billing", "subscription_adopted"): premium.adopted,
    ("billing", "subscription_lost_its_seat"): premium.lost_its_seat,
    ("billing", "renewal_stopped"): terms.renewal_changed,
    ("billing", "renewal_resumed"): terms.renewal_changed,
    ("billing", "switched"): terms.switched,
    ("billing", "switch_scheduled"): terms.switch_scheduled,
    ("billing", "extended"): terms.extended,
    ("billing", "withdrawn"): terms.withdrawn,
    ("billing", "cancelled_now"): terms.cancelled_now,
    ("billing", "trial_ending"): terms.charge_ahead,
    ("billing", "renewal_ahead"): terms.charge_ahead,
    ("billing", "payment_failed"): money.failed,
    ("billing", "payment_recovered"): money.recovered,
    ("billing", "refunded"): money.refunded,
    ("billing", "refund_failed"): money.refund_failed,
    ("billing", "dispute_opened"): money.disputed,
    ("billing", "dispute_won"): money.disputed,
    ("billing", "dispute_lost"): money.disputed,
    ("billing", "account_opened"): accounts.opened,
    ("billing", "account_close_asked"): accounts.close_asked,
    ("billing", "account_kept"): accounts.closing,
    ("billing", "account_closing"): accounts.closing,
    ("billing", "account_closed"): accounts.closing,
    ("fleet", "vehicle_added"): garage.added,
    ("fleet", "vehicle_released"): garage.released,
    ("fleet", "vehicle_lost"): garage.released,
    ("fleet", "vehicle_retired"): garage.retired,
    ("fleet", "learning_allowed"): rights.learning,
    ("fleet", "learning_withdrawn"): rights.learning,
    ("fleet", "transfer_offered"): rights.transfer_offered,
    ("fleet", "transfer_declined"): rights.transfer_over,
    ("fleet", "transfer_taken_back"): rights.transfer_over,
    ("fleet", "transfer_expired"): rights.transfer_over,
    ("fleet", "transfer_ended"): rights.transfer_over,
    ("fleet", "driver_invited"): drivers.invited,
    ("fleet", "driver_joined"): drivers.joined,
    ("fleet", "driver_declined"): drivers.over,
    ("fleet", "driver_expired"): drivers.over,
    ("fleet", "driver_removed"): drivers.over,
    ("fleet", "driver_left"): drivers.over,
    ("fleet", "driver_ended"): drivers.over,
    ("fleet", "delivery_retried"): cars.told_again,
    ("fleet", "claim_opened"): garage.claim_opened,
    ("fleet", "claim_released"): garage.claim_decided,
    ("fleet", "claim_objected"): garage.claim_decided,
    ("fleet", "claim_refused"): garage.claim_decided,
}


def apply(source: str, event: Any, *, now: datetime) -> None:
    """Write down the mails that follow from an event, if any do."""
    rule = RULES.get((source, event.kind))
    for mail in rule(event, now) if rule else ():
        outbox.tell(
            source=source,
            event_id=event.pk,
            template=mail.template,
            recipient=mail.address or mail.to.email,
            user=mail.to,
            context=mail.context,
            reads=mail.reads,
            now=now,
        )
