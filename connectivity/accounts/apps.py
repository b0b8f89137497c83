"""Registers the accounts app."""

from django.apps import AppConfig, apps


class AccountsConfig(AppConfig):
    """People and their sign-in."""

    name = "connectivity.accounts"
    label = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        """Connect the receivers."""
        from connectivity.accounts import receivers  # noqa: F401 -- to be imported is all it is for

        # Nobody signs in where cars call.
        if apps.is_installed("allauth.mfa"):
            from connectivity.accounts import proofs  # noqa: F401 -- likewise
