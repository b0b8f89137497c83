"""The cars and whose they are."""

import functools

import uuid6
from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Reverse
from django.utils.translation import gettext_lazy as _

from billing import clock
from fleet import markets


class Vehicle(models.Model):
    """A car. Its id is also billing's subject id; its VIN is personal data, kept out of logs."""

    class Hardware(models.TextChoices):
        """The connectivity unit; a car without a modem cannot take Premium."""

        MCU1 = "mcu1", "MCU 1"
        MCU2 = "mcu2", "MCU 2"
        MCU3 = "mcu3", "MCU 3"
        NONE = "none", _("no modem")

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    vin = models.CharField(_("VIN"), max_length=17, unique=True)
    model = models.CharField(_("model"), max_length=32)
    hardware = models.CharField(_("hardware"), max_length=8, choices=Hardware)
    market = models.CharField(_("market"), max_length=2, help_text="ISO 3166-1 alpha-2.")
    delivered_on = models.DateField(_("delivered on"), null=True, blank=True)
    public_key = models.CharField(
        max_length=43, help_text="Raw Ed25519, base64url without padding; changed by staff only."
    )
    credential_generation = models.PositiveIntegerField(default=1)
    key_replaced_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when the present unit is in; empty: from the factory.",
    )
    lifetime_premium = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=clock.now)
    removed_at = models.DateTimeField(null=True, blank=True)
    last_contact_at = models.DateTimeField(null=True, blank=True)
    fleet_learning = models.BooleanField(
        default=False, db_default=False, help_text="What the newest consent says; the car is told."
    )

    class Meta:
        verbose_name = _("vehicle")
        indexes = [
            models.Index(
                fields=["vin"], name="vehicle_vin_start", opclasses=["varchar_pattern_ops"]
            ),
            models.Index(OpClass(Reverse("vin"), name="text_pattern_ops"), name="vehicle_vin_end"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["public_key"], condition=~Q(public_key=""), name="one_vehicle_per_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} …{self.vin[-6:]}"

    @property
    def has_modem(self) -> bool:
        """Whether the car can take Premium at all."""
        return self.hardware != self.Hardware.NONE

    @property
    def currency(self) -> str:
        """The currency in which Premium is sold for it."""
        return markets.currency(self.market)

    @property
    def traits(self) -> frozenset[str]:
        """What features may depend on, as opaque labels for the rule."""
        return self.traits_of(self.model, self.hardware, self.market)

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def traits_of(model: str, hardware: str, market: str) -> frozenset[str]:
        """The traits of any car with these facts."""
        return frozenset({f"model:{model}", f"hardware:{hardware}", f"market:{market}"})


class TraitSet(models.Model):
    """A set of traits that some cars share, and the number by which snapshots name it."""

    number = models.AutoField(primary_key=True)
    words = models.TextField(unique=True, help_text="The labels, sorted, as a JSON array.")

    def __str__(self) -> str:
        return f"{self.number}: {self.words}"


class Ownership(models.Model):
    """Whose car it is, in [starts_at, ends_at)."""

    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="ownerships")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(ends_at__isnull=True), name="one_owner_per_vehicle"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at")),
                name="ownership_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.owner_id} owns {self.vehicle_id}"
