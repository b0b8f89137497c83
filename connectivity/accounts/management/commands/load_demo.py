"""`manage.py load_demo`: the people of the demo, for embedded mode only."""

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from connectivity.accounts.models import User

OWNER, STAFF = "owner@demo.test", "staff@demo.test"


class Command(BaseCommand):
    """Safe to repeat: who is there stays as they are."""

    help = "Makes the demo's people, owner@demo.test and staff@demo.test; embedded mode only."

    @transaction.atomic
    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run it."""
        if not settings.EMBEDDED:
            raise CommandError("The demo's people belong to embedded mode only (`make run`).")
        self._person(OWNER)
        self._person(STAFF, is_staff=True, is_superuser=True)

    def _person(self, email: str, **fields: Any) -> None:
        user = User.objects.filter(email=email).first()
        user = user or User.objects.create_user(email, **fields)
        EmailAddress.objects.get_or_create(
            user=user, email=email, defaults={"verified": True, "primary": True}
        )
