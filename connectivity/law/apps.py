"""Registers the law app."""

from django.apps import AppConfig


class LawConfig(AppConfig):
    """Declarations of people, and what they can have of us."""

    name = "connectivity.law"
    label = "law"
    verbose_name = "Declarations"
