"""What came in, what goes out and what happened, as staff see it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.admin.about import AboutSubjects
from billing.admin.actions import READ_AGAIN
from billing.models import DomainEvent, Intent, StripeEvent
from billing.staff import search, shown
from billing.staff.read_only import ReadOnlyAdmin


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """The inbox."""

    list_display = ("stripe_event_id", "type", "state", "received_at", "handled_at", "attempts")
    list_filter = ("state",)
    named_actions = (READ_AGAIN,)
    readonly_fields = ("at_stripe",)

    def find(self, text: str) -> Iterable[Any]:
        """By its id, or by its subscription's."""
        rows = StripeEvent.objects.order_by("-pk")
        yield from rows.filter(stripe_event_id=text).values_list("pk", flat=True)
        if text:
            mine = rows.filter(stripe_subscription_id=text)
            yield from mine.values_list("pk", flat=True)[: search.MOST]

    @admin.display(description="at Stripe")
    def at_stripe(self, row: StripeEvent) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_event_id)


@admin.register(Intent)
class IntentAdmin(ReadOnlyAdmin):
    """A call that changes Stripe."""

    list_display = ("kind", "idempotency_key", "created_at", "answered_at", "attempts")
    list_filter = ("kind",)
    search_help_text = "Idempotency key or its beginning; an id of Stripe's"

    def find(self, text: str) -> Iterable[Any]:
        """By its key, which names what it is about."""
        rows = Intent.objects.order_by("-pk").values_list("pk", flat=True)
        yield from rows.filter(idempotency_key__startswith=text)[: search.MOST]
        if search.names_stripe(text):
            keys = [f"{verb}:{text}" for verb in ("cancel", "refund")]
            yield from rows.filter(idempotency_key__in=keys)
            for verb in ("refund", "extend", "renewal"):
                mine = rows.filter(idempotency_key__startswith=f"{verb}:{text}:")
                yield from mine[: search.MOST]


@admin.register(DomainEvent)
class DomainEventAdmin(AboutSubjects):
    """What happened."""

    has_payer = True
    list_display = ("at", "kind", "about", "paid_by", "by")
    list_select_related = ("payer", "actor")
    readonly_fields = ("about",)
