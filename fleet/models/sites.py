"""What keeps data centres in step with the rows: how each stands, and eras of versions."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

FIRST = "00000000-0000-0000-0000-000000000000"


class SiteState(models.Model):
    """What was last found out about a data centre, and how far its scrub has come."""

    name = models.CharField(max_length=64, primary_key=True)
    server = models.CharField(
        max_length=128, blank=True, help_text="Its run id and replication id when last looked at."
    )
    server_since = models.DateTimeField(null=True, blank=True)
    away_since = models.DateTimeField(null=True, blank=True)
    rebuilding_since = models.DateTimeField(null=True, blank=True)
    scrub_after = models.UUIDField(default=FIRST, help_text="The last vehicle that was compared.")
    scrub_began_at = models.DateTimeField(null=True, blank=True)
    scrub_moved_at = models.DateTimeField(null=True, blank=True)
    scrub_ended_at = models.DateTimeField(
        null=True, blank=True, help_text="When all had been compared last."
    )
    compared = models.BigIntegerField(default=0, help_text="In this round.")
    resent = models.BigIntegerField(default=0, help_text="Missing or behind, in this round.")
    ahead = models.BigIntegerField(default=0, help_text="Ahead of the rows, in this round.")
    ahead_before = models.BigIntegerField(default=0, help_text="In the round before.")
    ahead_since = models.DateTimeField(null=True, blank=True)
    examples = ArrayField(models.UUIDField(), default=list, help_text="Some that were ahead.")

    def __str__(self) -> str:
        return self.name


class Era(models.Model):
    """All versions were raised, so that none is below what was told before a restore."""

    began_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    after = models.UUIDField(default=FIRST, help_text="The last subject that was raised.")
    raised = models.BigIntegerField(default=0, help_text="How many subjects were.")

    def __str__(self) -> str:
        return f"era of {self.began_at:%Y-%m-%d %H:%M:%S}"
