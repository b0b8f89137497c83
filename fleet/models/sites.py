"""What keeps data centres in step with the rows: eras of versions."""

from django.db import models

FIRST = "00000000-0000-0000-0000-000000000000"


class Era(models.Model):
    """All versions were raised, so that none is below what was told before a restore."""

    began_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    after = models.UUIDField(default=FIRST, help_text="The last subject that was raised.")
    raised = models.BigIntegerField(default=0, help_text="How many subjects were.")

    def __str__(self) -> str:
        return f"era of {self.began_at:%Y-%m-%d %H:%M:%S}"
