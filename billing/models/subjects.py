"""What is entitled: opaque subjects, what was granted to them, what is still to be told.

# Note [Facts, not verdicts]
A Grant is a fact with an interval; whether a subject has a plan *now* is a verdict, computed by
billing.entitlements from the facts at the moment of asking. Nothing here stores a verdict, so time
alone can never make a row wrong.
"""

from django.db import models
from django.db.models import F, Func, Q


def _whole_second(field: str) -> Q:
    second = Func(
        F(field),
        template="date_trunc('second', %(expressions)s)",
        output_field=models.DateTimeField(),
    )
    return Q(**{field: second})


class Subject(models.Model):
    """What is entitled: an opaque id, with the version of all that it is told. Never deleted."""

    id = models.UUIDField(primary_key=True)
    version = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(version__gt=0, version__lt=2**53), name="version_fits_a_json_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.id} v{self.version}"


class Change(models.Model):
    """The outbox: this subject has something new to be told at this site."""

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="changes")
    site = models.CharField(max_length=64)
    version = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["site", "id"], name="change_by_site")]

    def __str__(self) -> str:
        return f"{self.subject_id} v{self.version} to {self.site}"


class Grant(models.Model):
    """The subject has the plan in [starts_at, ends_at); no end is open.

    See Note [Facts, not verdicts].
    """

    class Source(models.TextChoices):
        """Who gave it."""

        SUBSCRIPTION = "subscription"
        FACTORY = "factory"
        TRIAL = "trial"
        GOODWILL = "goodwill"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="grants")
    plan = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=16, choices=Source)
    subscription = models.OneToOneField(
        "billing.Subscription", models.PROTECT, null=True, blank=True, related_name="grant"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at")),
                name="grant_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=_whole_second("starts_at")
                & (Q(ends_at__isnull=True) | _whole_second("ends_at")),
                name="grant_is_in_whole_seconds",
            ),
            models.CheckConstraint(
                condition=Q(source="subscription", subscription__isnull=False)
                | (~Q(source="subscription") & Q(subscription__isnull=True)),
                name="paid_grant_names_its_subscription",
            ),
        ]
        indexes = [models.Index(fields=["subject", "ends_at"], name="grant_by_subject")]

    def __str__(self) -> str:
        return f"{self.plan} by {self.source} for {self.subject_id}"
