"""New features on their way to the cars."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.catalog import BUCKETS

SHARES = BUCKETS  # The whole: a share of 100 is one car in a hundred.


class Rollout(models.Model):
    """A feature that joins a plan, for some cars first; what cars are told is in the catalogue.

    `share` and `revision` are those of its last change. What was counted is a moment's picture.
    """

    class State(models.TextChoices):
        """A halted one keeps its share until it is raised; one that was rolled back is over."""

        RUNNING = "running", "running"
        HALTED = "halted", "halted"
        ROLLED_BACK = "rolled_back", "rolled back"

    OPEN: ClassVar = {State.RUNNING, State.HALTED}

    feature = models.CharField(max_length=64)
    name = models.CharField(max_length=100, help_text="As owners read it.")
    plan = models.CharField(max_length=64)
    audience = models.JSONField(
        default=dict, help_text="Markets, models, hardware that it is for; empty: all."
    )
    salt = models.CharField(max_length=100)
    share = models.PositiveIntegerField(help_text="Of 10,000; of those that have the plan.")
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    revision = models.BigIntegerField(help_text="Of the catalogue, by its last change.")
    began_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    counted_at = models.DateTimeField(null=True, blank=True)
    counted_revision = models.BigIntegerField(default=0)
    counted_in = models.FloatField(default=0.0, help_text="Seconds that it took.")
    able = models.IntegerField(default=0, help_text="Cars that it is for, were the share whole.")
    due = models.IntegerField(default=0, help_text="Of these, those in the share.")
    applied = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    failures = models.JSONField(
        default=list, help_text="What the last that failed say: vehicle, reason."
    )

    class Meta:
        verbose_name = "roll-out"
        constraints = [
            models.UniqueConstraint(
                fields=["feature"],
                condition=~Q(state="rolled_back"),
                name="one_open_rollout_per_feature",
            ),
            models.CheckConstraint(
                condition=Q(share__gte=1, share__lte=SHARES), name="rollout_share_is_one"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_whole(self) -> bool:
        """Whether all that it is for are told of it."""
        return self.share >= SHARES

    @property
    def silent(self) -> int:
        """How many have not said what became of it."""
        return max(0, self.due - self.applied - self.failed)
