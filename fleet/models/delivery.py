"""What each car was told and what it said: deliveries, reports, spent assertions."""

from typing import ClassVar

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

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle", "version"], name="one_delivery_per_vehicle_and_version"
            )
        ]
        indexes = [
            models.Index(
                fields=["changed_at"], condition=Q(state="pending"), name="delivery_waiting"
            )
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
