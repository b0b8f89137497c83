"""What an owner has allowed with a car: what it may learn from; ends with the ownership."""

from django.conf import settings
from django.db import models

from fleet.models.vehicles import Vehicle


class Consent(models.Model):
    """What was said about fleet learning with a car, to which words; rows are only added."""

    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="consents")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    given = models.BooleanField(help_text="Given, or withdrawn.")
    text = models.CharField(max_length=16, help_text="The version of the words it was given to.")
    at = models.DateTimeField()
    version = models.BigIntegerField(help_text="The vehicle's version that tells the car of it.")

    class Meta:
        indexes = [models.Index(fields=["vehicle", "-id"], name="consent_newest")]

    def __str__(self) -> str:
        return f"{'given' if self.given else 'withdrawn'} for {self.vehicle_id}"
