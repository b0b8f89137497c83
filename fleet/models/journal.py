"""What happened to cars."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing import clock
from fleet.models.vehicles import Vehicle

# What happens to a feature that comes to the cars; such events are about no car.
OF_ROLLOUTS = ("rollout_begun", "rollout_raised", "rollout_halted", "rollout_rolled_back")


class DomainEvent(models.Model):
    """The audit trail of the fleet: what happened, to which car, by whom; rows are only added."""

    kind = models.CharField(max_length=64)
    at = models.DateTimeField()
    vehicle = models.ForeignKey(
        Vehicle, models.CASCADE, null=True, blank=True, related_name="events"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    data = models.JSONField(default=dict)
    # The one column that changes: connectivity.notices stamps what it has told people.
    noticed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["vehicle", "at"], name="fleet_event_by_vehicle"),
            models.Index(
                fields=["id"], condition=Q(noticed_at__isnull=True), name="fleet_event_unnoticed"
            ),
            models.Index(
                fields=["id"], condition=Q(kind__in=OF_ROLLOUTS), name="fleet_event_of_rollout"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"


class LeaseSchedule(models.Model):
    """Which key signs leases from when (see fleet.signing); a change is a new, higher revision."""

    revision = models.BigIntegerField(primary_key=True)
    content = models.JSONField(help_text="Public halves only; seeds are in the environment.")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-revision",)

    def __str__(self) -> str:
        return f"lease schedule {self.revision}"


class Pace(models.Model):
    """How often cars are told to ask, as staff have set it; a change is a new, higher revision."""

    revision = models.BigIntegerField(primary_key=True)
    seconds = models.JSONField(
        help_text="By market, and under * for all others, in place of POLL_SECONDS."
    )
    at = models.DateTimeField(default=clock.now)
    reason = models.TextField(blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ("-revision",)
        verbose_name_plural = "paces"

    def __str__(self) -> str:
        return f"pace {self.revision}"
