"""What people were told: a row per event, template and recipient, so that nobody is told twice."""

from django.conf import settings
from django.db import models


class Notice(models.Model):
    """A mail that was sent, or is to be."""

    source = models.CharField(max_length=16, help_text="The app whose event it is.")
    event_id = models.BigIntegerField()
    template = models.CharField(max_length=64)
    recipient = models.EmailField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    language = models.CharField(max_length=8)
    context = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "event_id", "template", "recipient"],
                name="nobody_is_told_twice",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(sent_at__isnull=True),
                name="notice_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.user_id or 'a former address'}"
