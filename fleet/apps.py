"""Registers the fleet app and lets it hear what billing announces."""

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """Cars."""

    name = "fleet"
    verbose_name = "Fleet"

    def ready(self) -> None:
        """Connect the receivers."""
        from fleet import receivers  # noqa: F401 -- to be imported is all that it is for
