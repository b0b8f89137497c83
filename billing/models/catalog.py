"""What is sold, as published, and what Stripe calls it."""

from django.db import models
from django.db.models import Q

from billing import clock


class CatalogRevision(models.Model):
    """A published, numbered revision of the catalogue; a change is a new, higher one."""

    revision = models.BigIntegerField(primary_key=True)
    document = models.JSONField()
    published_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ("-revision",)

    def __str__(self) -> str:
        return f"catalogue {self.revision}"


class StripePrice(models.Model):
    """A price that Stripe knows; the plan follows from its product, so an old price keeps it."""

    stripe_price_id = models.CharField(max_length=255, primary_key=True)
    stripe_product_id = models.CharField(max_length=255)
    plan = models.CharField(max_length=64)
    lookup_key = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=3)
    unit_amount = models.BigIntegerField(help_text="In the currency's minor unit.")
    interval = models.CharField(max_length=8)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lookup_key"], condition=~Q(lookup_key=""), name="one_price_per_lookup_key"
            )
        ]

    def __str__(self) -> str:
        return self.lookup_key or self.stripe_price_id
