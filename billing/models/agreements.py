"""What payers agreed to when they bought: kept for as long as it can be disputed."""

from django.conf import settings
from django.db import models

from billing.models.payments import Checkout


class Agreement(models.Model):
    """What was shown to a payer, and what they asked for, when they went to a payment page.

    Rows are only ever added. The words are those that were read, in the language they were read in.
    """

    checkout = models.ForeignKey(Checkout, models.PROTECT, related_name="agreements")
    subject_id = models.UUIDField()
    payer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    language = models.CharField(max_length=8)
    terms = models.CharField(max_length=16, help_text="The version of the terms.")
    unit_amount = models.BigIntegerField(help_text="In the currency's minor unit.")
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=8)
    words = models.JSONField(help_text="The button, and what stood beside it.")
    asked_to_start = models.BooleanField(
        help_text="Whether the payer asked that it begins before the 14 days are over."
    )

    class Meta:
        indexes = [
            models.Index(fields=["subject_id", "at"], name="agreement_by_subject"),
        ]

    def __str__(self) -> str:
        return f"agreement of {self.at:%Y-%m-%d %H:%M:%S}"
