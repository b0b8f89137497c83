"""Registers the billing app."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Money and entitlement."""

    name = "billing"
    verbose_name = "Billing"
