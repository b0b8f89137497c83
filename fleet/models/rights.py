"""What goes with an ownership and ends with it: a consent, an offer to pass it on, drivers."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleet.models.vehicles import Ownership, Vehicle


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


class Transfer(models.Model):
    """An owner offers a car to whoever reads an address; it passes when they accept."""

    class State(models.TextChoices):
        """An open one waits for the buyer; `ended` with the ownership, by another way."""

        OPEN = "open"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        TAKEN_BACK = "taken_back"
        EXPIRED = "expired"
        ENDED = "ended"

    vehicle = models.ForeignKey(Vehicle, models.PROTECT, related_name="transfers")
    seller = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    email = models.EmailField(blank=True, help_text="Emptied a month after the decision.")
    buyer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    offered_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(state="open"), name="one_open_offer_per_vehicle"
            ),
            models.CheckConstraint(
                condition=Q(state="accepted", buyer__isnull=False)
                | ~Q(state="accepted") & Q(buyer__isnull=True),
                name="offer_has_a_buyer_once_accepted",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="offer_open"),
            models.Index(
                fields=["decided_at"], condition=~Q(email=""), name="offer_with_an_address"
            ),
            models.Index(fields=["seller", "offered_at"], name="offer_by_seller"),
        ]

    def __str__(self) -> str:
        return f"offer of {self.vehicle_id} ({self.state})"


class Driver(models.Model):
    """Whom an owner lets see a car beside themselves; known by an address until they join."""

    class State(models.TextChoices):
        """An invited one has not answered, one who joined sees the car; the others are over."""

        INVITED = "invited"
        JOINED = "joined"
        DECLINED = "declined"
        EXPIRED = "expired"
        REMOVED = "removed"
        LEFT = "left"
        ENDED = "ended"

    ACTIVE: ClassVar = (State.INVITED, State.JOINED)

    ownership = models.ForeignKey(Ownership, models.PROTECT, related_name="drivers")
    email = models.EmailField(blank=True, help_text="Emptied a month after it is over.")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=16, choices=State, default=State.INVITED)
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    joined_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["ownership", "email"],
                condition=Q(state__in=["invited", "joined"]),
                name="one_invitation_per_car_and_address",
            ),
            models.UniqueConstraint(
                fields=["ownership", "person"],
                condition=Q(state="joined"),
                name="one_driver_per_car_and_person",
            ),
            models.CheckConstraint(
                condition=~Q(state="joined") | Q(person__isnull=False, joined_at__isnull=False),
                name="driver_who_joined_is_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["person"], condition=Q(state="joined"), name="driver_joined"),
            models.Index(fields=["expires_at"], condition=Q(state="invited"), name="driver_open"),
            models.Index(
                fields=["ended_at"], condition=~Q(email=""), name="driver_with_an_address"
            ),
        ]

    def __str__(self) -> str:
        return f"driver {self.pk} ({self.state})"
