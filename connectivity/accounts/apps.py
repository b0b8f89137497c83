"""Registers the accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and their sign-in."""

    name = "connectivity.accounts"
    label = "accounts"
    verbose_name = "People"
