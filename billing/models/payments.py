"""Who pays: customers, payment pages, subscriptions and invoices, as Stripe tells them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing import clock
from billing.models.subjects import Subject


class Customer(models.Model):
    """A payer at Stripe, by currency, and by ordinal: one there holds at most 500 subscriptions."""

    payer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    ordinal = models.PositiveSmallIntegerField(default=1)
    stripe_customer_id = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(default=clock.now)
    gone_at = models.DateTimeField(
        null=True, blank=True, help_text="When we learned that it was deleted at Stripe."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["payer", "currency", "ordinal"],
                name="one_customer_per_payer_currency_ordinal",
            )
        ]
        # billing.reconcile holds Stripe's lists against ours by the time of their making.
        indexes = [models.Index(fields=["created_at"], name="customer_by_creation")]

    def __str__(self) -> str:
        return self.stripe_customer_id


class Checkout(models.Model):
    """A payment page that we opened, for one subject and payer."""

    class State(models.TextChoices):
        """Ours: it begins before Stripe has answered, and ends paid, expired or abandoned."""

        OPENING = "opening"
        OPEN = "open"
        PAID = "paid"
        EXPIRED = "expired"
        ABANDONED = "abandoned"

    LIVE: ClassVar = {State.OPENING, State.OPEN}

    id = models.UUIDField(primary_key=True)
    subject = models.ForeignKey(Subject, models.PROTECT, related_name="checkouts")
    payer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    lookup_key = models.CharField(max_length=200)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=16, choices=State, default=State.OPENING)
    stripe_session_id = models.CharField(max_length=255, unique=True, null=True, blank=True)
    url = models.URLField(max_length=2000, blank=True)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # When to ask Stripe what became of it, should no event have said so by then; null once it is
    # known of an abandoned one.
    check_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["check_at"],
                condition=Q(state__in=["open", "abandoned"]),
                name="checkout_to_check",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="open") | Q(stripe_session_id__isnull=False),
                name="open_checkout_has_a_session",
            )
        ]

    def __str__(self) -> str:
        return f"{self.stripe_session_id or self.id} ({self.state})"


class Subscription(models.Model):
    """The mirror of a subscription at Stripe; refuses nothing that Stripe says."""

    class Status(models.TextChoices):
        """Stripe's own words (API 2026-10-28.endive); the empty one: not fetched yet."""

        UNKNOWN = ""
        INCOMPLETE = "incomplete"
        INCOMPLETE_EXPIRED = "incomplete_expired"
        TRIALING = "trialing"
        ACTIVE = "active"
        PAST_DUE = "past_due"
        UNPAID = "unpaid"
        PAUSED = "paused"
        CANCELED = "canceled"

    ENDED: ClassVar = {Status.CANCELED, Status.INCOMPLETE_EXPIRED}
    RENEWING: ClassVar = {Status.TRIALING, Status.ACTIVE, Status.PAST_DUE}

    stripe_subscription_id = models.CharField(max_length=255, unique=True)
    subject = models.ForeignKey(
        Subject, models.PROTECT, null=True, blank=True, related_name="subscriptions"
    )
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, blank=True, related_name="subscriptions"
    )
    checkout = models.OneToOneField(
        Checkout, models.PROTECT, null=True, blank=True, related_name="subscription"
    )
    # Not limited to Status: Stripe adds words, and the mirror refuses nothing.
    status = models.CharField(max_length=32, default=Status.UNKNOWN, blank=True)
    plan = models.CharField(max_length=64, blank=True)
    interval = models.CharField(max_length=8, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    unit_amount = models.BigIntegerField(
        null=True, blank=True, help_text="In the currency's minor unit."
    )
    discounted_amount = models.BigIntegerField(
        null=True, blank=True, help_text="What a period costs while the discount lasts."
    )
    discount_ends_at = models.DateTimeField(null=True, blank=True)
    period_ends_at = models.DateTimeField(null=True, blank=True)
    paid_through = models.DateTimeField(null=True, blank=True)
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is scheduled to end, or ended."
    )
    card_brand = models.CharField(max_length=32, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    adopted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When staff gave it its subject: it did not come from a checkout of ours.",
    )
    created_at = models.DateTimeField(null=True, blank=True)
    reminded_for = models.DateTimeField(
        null=True, blank=True, help_text="The charge that was looked at when it came near."
    )
    # See Note [A ticket per fetch] in billing.subscriptions.
    ticket = models.BigIntegerField(default=0)
    recorded_ticket = models.BigIntegerField(default=0)
    synced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        # billing.reconcile holds Stripe's lists against ours by the time of their making.
        indexes = [
            models.Index(fields=["created_at"], name="subscription_by_creation"),
            # billing.reminders looks all day long for charges that have come near unseen.
            models.Index(
                fields=["trial_ends_at"],
                condition=Q(status="trialing", ends_at__isnull=True)
                & (Q(reminded_for__isnull=True) | Q(reminded_for__lt=F("trial_ends_at"))),
                name="subscription_trial_ends",
            ),
            models.Index(
                fields=["paid_through"],
                condition=Q(interval="year", ends_at__isnull=True)
                & (Q(reminded_for__isnull=True) | Q(reminded_for__lt=F("paid_through"))),
                name="subscription_year_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stripe_subscription_id} ({self.status or 'not fetched'})"

    @property
    def renews(self) -> bool:
        """Whether Stripe would charge again by itself."""
        return self.status in self.RENEWING and self.ends_at is None


class Seat(models.Model):
    """The one place per subject for somebody who pays: an open checkout or a live subscription."""

    subject = models.OneToOneField(Subject, models.PROTECT, primary_key=True, related_name="seat")
    payer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    checkout = models.OneToOneField(Checkout, models.PROTECT, null=True, blank=True)
    subscription = models.OneToOneField(Subscription, models.PROTECT, null=True, blank=True)
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(checkout__isnull=False, subscription__isnull=True)
                | Q(checkout__isnull=True, subscription__isnull=False),
                name="seat_is_held_by_a_checkout_or_a_subscription",
            )
        ]

    def __str__(self) -> str:
        return f"seat of {self.subject_id}"


class Invoice(models.Model):
    """The mirror of an invoice at Stripe; amounts in the currency's minor unit."""

    stripe_invoice_id = models.CharField(max_length=255, primary_key=True)
    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="invoices")
    number = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=16)
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField()
    tax = models.BigIntegerField(default=0)
    amount_paid = models.BigIntegerField()
    amount_refunded = models.BigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0, help_text="How often its charge was tried.")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    paid_through = models.DateTimeField(
        null=True, blank=True, help_text="The greatest period end of its subscription lines."
    )
    hosted_url = models.URLField(max_length=2000, blank=True)
    pdf_url = models.URLField(max_length=2000, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["number"], name="invoice_number_start", opclasses=["varchar_pattern_ops"]
            )
        ]

    def __str__(self) -> str:
        return self.number or self.stripe_invoice_id


class Dispute(models.Model):
    """A dispute at Stripe: the payer's bank has taken a payment back, or asks about it."""

    stripe_dispute_id = models.CharField(max_length=255, primary_key=True)
    invoice = models.ForeignKey(
        Invoice, models.PROTECT, null=True, blank=True, related_name="disputes"
    )
    status = models.CharField(max_length=32)
    reason = models.CharField(max_length=64, blank=True)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    opened_at = models.DateTimeField()
    synced_at = models.DateTimeField()

    # Stripe's words. A warning is a question of the bank's: no money has moved.
    LOST: ClassVar = {"lost"}
    HARMLESS: ClassVar = {
        "won",
        "prevented",
        "warning_needs_response",
        "warning_under_review",
        "warning_closed",
    }

    def __str__(self) -> str:
        return f"{self.stripe_dispute_id} ({self.status})"
