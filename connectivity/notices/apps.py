"""Registers the notices app, and Celery's app with it: tasks are sent from every process."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Mails from domain events."""

    name = "connectivity.notices"
    label = "notices"

    def ready(self) -> None:
        """Make Celery's app the current one."""
        from connectivity import celery  # noqa: F401 -- to be imported is all that it is for
