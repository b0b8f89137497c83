"""Members of staff who are signed in as the staff's pages want it."""

import time
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.test import Client

from tests import factories


def make_staff(group: str = "", **fields: Any):
    """A member of staff with an authenticator app; without a group, a superuser."""
    user = factories.make_user(is_staff=True, is_superuser=not group, **fields)
    if group:
        user.groups.add(Group.objects.get(name=group))
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "none"})
    return user


def sign_in(user, *, shown_ago: float | None = 0.0) -> Client:
    """A browser of this user, who showed the second factor that many seconds ago, or never."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    if shown_ago is not None:
        session = client.session
        session["account_authentication_methods"] = [
            {"method": "mfa", "type": "totp", "at": time.time() - shown_ago}
        ]
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
    return client
