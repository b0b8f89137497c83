"""What each car was told and what it said: deliveries, reports, spent assertions."""

from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from fleet.models.vehicles import Vehicle


class Delivery(models.Model):
    """One version on its way to one car."""

    class State(models.TextChoices):
        """Pending until a site has it, sent until the car says what became of it."""

        PENDING = "pending"
        SENT = "sent"
        APPLIED = "applied"
        FAILED = "failed"
        SUPERSEDED = "superseded"

    # From -> to. Once a car said "applied" of a version, nothing changes that.
    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        State.PENDING: {State.SENT, State.APPLIED, State.FAILED, State.SUPERSEDED},
        State.SENT: {State.APPLIED, State.FAILED, State.SUPERSEDED},
        State.FAILED: {State.APPLIED, State.SUPERSEDED},
        State.SUPERSEDED: {State.APPLIED},
        State.APPLIED: set(),
    }
    # What the car could not apply, or has not confirmed although it was there; see fleet.retries.
    STUCK: ClassVar[Q] = Q(state__in=[State.SENT, State.FAILED], stuck_at__isnull=False)
    # How long a stuck one waits until the car is told again, by how often it was; then no more.
    BACKOFF: ClassVar[tuple[timedelta, ...]] = (
        timedelta(minutes=1),
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(hours=6),
    )
    FROM_THEN_ON: ClassVar[timedelta] = timedelta(days=1)
    MOST: ClassVar[int] = len(BACKOFF) + 14

    vehicle = models.ForeignKey(Vehicle, models.CASCADE, related_name="deliveries")
    version = models.BigIntegerField()
    reference = models.CharField(max_length=16, unique=True, help_text="What support asks for.")
    plan = models.CharField(max_length=64, help_text="The plan that this version told the car.")
    # See Note [Facts, not verdicts] in billing.models.subjects: the car goes on with them alone.
    grants = models.JSONField(
        default=list, help_text="What this version told: [plan, starts_at, ends_at, source]."
    )
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=500, blank=True)
    changed_at = models.DateTimeField(help_text="When the version came to be.")
    sent_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    stuck_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it is known not to go on by itself."
    )
    retries = models.PositiveSmallIntegerField(
        default=0, help_text="How often the car was told the same before this version."
    )

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle", "version"], name="one_delivery_per_vehicle_and_version"
            )
        ]
        indexes = [
            # Rows come in this order, so that the last hour is found by a few pages' bounds.
            BrinIndex(fields=["changed_at"], name="delivery_by_time", autosummarize=True),
            models.Index(
                fields=["changed_at"], condition=Q(state="pending"), name="delivery_waiting"
            ),
            models.Index(
                fields=["sent_at"],
                condition=Q(state="sent", stuck_at__isnull=True),
                name="delivery_unconfirmed",
            ),
            models.Index(
                fields=["stuck_at"],
                condition=Q(state__in=["sent", "failed"], stuck_at__isnull=False),
                name="delivery_stuck",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} v{self.version} ({self.state})"


class Report(models.Model):
    """The last thing that a car said about itself."""

    vehicle = models.OneToOneField(Vehicle, models.CASCADE, primary_key=True, related_name="report")
    version = models.BigIntegerField()
    catalog = models.BigIntegerField()
    applied = models.BooleanField()
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(help_text="By the car's clock.")
    received_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["received_at"], condition=Q(applied=False), name="report_failed")
        ]

    def __str__(self) -> str:
        return f"v{self.version} {'applied' if self.applied else 'failed'}"


class UsedAssertion(models.Model):
    """A `jti` that was spent; kept in PostgreSQL, so that it is spent at all sites."""

    vehicle = models.ForeignKey(Vehicle, models.CASCADE, related_name="+")
    jti = models.CharField(max_length=128)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vehicle", "jti"], name="assertion_is_used_once")
        ]

    def __str__(self) -> str:
        return f"assertion of {self.vehicle_id}"
