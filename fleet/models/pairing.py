"""How a car and its owner find each other: codes, wrong tries, claims."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleet.models.vehicles import Vehicle


class Pairing(models.Model):
    """A code that a car shows and its owner types in; only the keyed hash of it is kept."""

    vehicle = models.ForeignKey(Vehicle, models.CASCADE, related_name="pairings")
    code_hash = models.CharField(max_length=64)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"],
                condition=Q(used_at__isnull=True, voided_at__isnull=True),
                name="one_open_code_per_vehicle",
            )
        ]

    def __str__(self) -> str:
        return f"code of {self.vehicle_id}"


class PairingAttempt(models.Model):
    """A wrong try at a code, counted in PostgreSQL so that no restart forgets it."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    vin = models.CharField(max_length=17)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "at"], name="attempt_by_account"),
            models.Index(fields=["vin", "at"], name="attempt_by_vin"),
        ]

    def __str__(self) -> str:
        return f"try by {self.account_id}"


class Claim(models.Model):
    """Somebody with a right code says that an owned car is theirs now.

    Until it is decided they see nothing of the car.
    """

    class State(models.TextChoices):
        """Open ones wait for the owner, for staff or for 14 silent days."""

        OPEN = "open"
        OBJECTED = "objected"
        RELEASED = "released"
        GRANTED = "granted"
        REFUSED = "refused"
        COMPLETED = "completed"

    UNDECIDED: ClassVar = {State.OPEN, State.OBJECTED}

    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="claims")
    claimant = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle", "claimant"],
                condition=Q(state__in=["open", "objected"]),
                name="one_claim_per_vehicle_and_claimant",
            )
        ]

    def __str__(self) -> str:
        return f"claim on {self.vehicle_id} ({self.state})"
