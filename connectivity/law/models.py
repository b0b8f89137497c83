"""What people declared on the public pages: kept before it is answered."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Declaration(models.Model):
    """A cancellation or a withdrawal, as it was declared and when. See docs/decisions."""

    class Kind(models.TextChoices):
        """What is declared."""

        CANCEL = "cancel", "cancellation"
        WITHDRAW = "withdraw", "withdrawal"

    class Manner(models.TextChoices):
        """How a contract is cancelled."""

        ORDINARY = "ordinary"
        GOOD_CAUSE = "good_cause", "for good cause"

    class State(models.TextChoices):
        """Received ones are looked at at once, waiting ones at `act_at`, open ones by staff."""

        RECEIVED = "received"
        WAITING = "waiting"
        DONE = "done"
        OPEN = "open"
        DENIED = "denied"
        SETTLED = "settled"

    MOVING = (State.RECEIVED, State.WAITING)

    form = models.UUIDField(
        unique=True, help_text="The page it was sent from: sent twice, it is declared once."
    )
    kind = models.CharField(max_length=16, choices=Kind)
    name = models.CharField(max_length=200)
    email = models.EmailField()
    reference = models.CharField(
        max_length=200, help_text="The contract or the car, as it was typed."
    )
    manner = models.CharField(max_length=16, choices=Manner, default=Manner.ORDINARY)
    reason = models.TextField(blank=True)
    ends_on = models.DateField(null=True, blank=True, help_text="Empty: as soon as possible.")
    language = models.CharField(max_length=8)
    received_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    act_at = models.DateTimeField(help_text="When it is looked at by itself.")
    subject_id = models.UUIDField(null=True, blank=True, db_index=True)
    payer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    outcome = models.TextField(blank=True, help_text="What became of it, or what is left to do.")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["act_at"],
                condition=Q(state__in=["received", "waiting"]),
                name="declaration_moving",
            ),
            models.Index(
                fields=["received_at"], condition=Q(state="open"), name="declaration_open"
            ),
            models.Index(fields=["email"], name="declaration_by_email"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.received_at:%Y-%m-%d %H:%M:%S} UTC"
