"""Registers the fleet app and lets it hear what billing announces."""

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """Cars."""

    name = "fleet"
    verbose_name = "Fleet"
