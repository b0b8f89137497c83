"""Registers the billing app; a fresh database sells what the repository sells."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def _publish_first(**_: Any) -> None:
    from billing import clock, offers

    offers.publish_first(now=clock.now())


class BillingConfig(AppConfig):
    """Money and entitlement."""

    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Publish the first catalogue once the tables are there."""
        post_migrate.connect(_publish_first, sender=self)
