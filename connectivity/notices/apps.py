"""Registers the notices app."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Mails from domain events."""

    name = "connectivity.notices"
    label = "notices"
