"""What keeps us in step with Stripe: how fast we may ask, how far we looked, what was found."""

from django.db import models


class Budget(models.Model):
    """A token bucket: how many calls of a kind we may make now. See billing.budget."""

    name = models.CharField(max_length=64, primary_key=True)
    tokens = models.FloatField()
    filled_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.tokens:.1f}"


class Bookmark(models.Model):
    """How far a long reading of Stripe's lists has come, so that it goes on where it stopped."""

    name = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    cursor = models.CharField(max_length=255, blank=True)

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"


class Reconciliation(models.Model):
    """One comparison of Stripe's whole state with ours; unfinished ones are gone on with."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    repairs = models.BooleanField(default=False)
    stage = models.CharField(max_length=32, blank=True)
    cursor = models.CharField(max_length=255, blank=True)
    compared = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"reconciliation of {self.started_at:%Y-%m-%d %H:%M}"


class Finding(models.Model):
    """Something that is not as it should be: a drift from Stripe, or a leak of money or service."""

    reconciliation = models.ForeignKey(Reconciliation, models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=64)
    what = models.CharField(max_length=255, help_text="The id of what it is about.")
    detail = models.TextField(blank=True)
    found_at = models.DateTimeField()
    repaired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reconciliation", "kind", "what"], name="found_once_per_reconciliation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"
