"""What came in, what goes out, what happened: the inbox, the intents and the audit trail."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class StripeEvent(models.Model):
    """The inbox: an event that Stripe delivered, stored once, before it is answered."""

    class State(models.TextChoices):
        """Received ones wait; parked ones came in an API version that we do not read."""

        RECEIVED = "received"
        HANDLED = "handled"
        IGNORED = "ignored"
        PARKED = "parked"

    stripe_event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=128)
    api_version = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    stripe_subscription_id = models.CharField(max_length=255, blank=True)
    payload = models.JSONField()
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(state="received"), name="event_waiting"
            ),
            models.Index(fields=["stripe_subscription_id"], name="event_by_subscription"),
            models.Index(fields=["id"], condition=Q(state="parked"), name="event_parked"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.stripe_event_id}"


class Intent(models.Model):
    """A call that changes Stripe, recorded before it is made; its key makes a repeat harmless."""

    class Kind(models.TextChoices):
        """What is called; each is a function in billing.intents."""

        CREATE_CUSTOMER = "create_customer"
        OPEN_CHECKOUT = "open_checkout"
        EXPIRE_CHECKOUT = "expire_checkout"
        CANCEL_SUBSCRIPTION = "cancel_subscription"
        REFUND_SUBSCRIPTION = "refund_subscription"
        SET_RENEWAL = "set_renewal"
        UPDATE_CUSTOMER = "update_customer"
        DELETE_CUSTOMER = "delete_customer"
        SWITCH_PRICE = "switch_price"
        SWITCH_AT_END = "switch_at_end"
        EXTEND = "extend"
        REFUND_INVOICE = "refund_invoice"

    kind = models.CharField(max_length=32, choices=Kind)
    idempotency_key = models.CharField(max_length=255, unique=True)
    request = models.JSONField()
    answer = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    # See Note [Looked up, not guessed] in billing.intents.
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    generation = models.PositiveSmallIntegerField(
        default=0, help_text="How often its key was replaced because the old one had died."
    )
    next_attempt_at = models.DateTimeField()
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(answered_at__isnull=True),
                name="intent_waiting",
            ),
            # billing.switching follows up those that wait for a payment, with each sweep.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(kind="switch_price"),
                name="intent_of_switch",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.idempotency_key}"


class DomainEvent(models.Model):
    """The audit trail of billing: what happened, to whom, by whom; rows are only ever added."""

    kind = models.CharField(max_length=64)
    at = models.DateTimeField()
    subject_id = models.UUIDField(null=True, blank=True)
    payer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    data = models.JSONField(default=dict)
    # The one column that changes: connectivity.notices stamps what it has told people.
    noticed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["subject_id", "at"], name="billing_event_by_subject"),
            models.Index(
                fields=["id"], condition=Q(noticed_at__isnull=True), name="billing_event_unnoticed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"
