"""How people sign in, as staff see it: django-allauth's own pages would let them write it."""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin

from billing.staff import search, shown
from billing.staff.read_only import ReadOnlyAdmin


class OfUsers(ReadOnlyAdmin):
    """What django-allauth keeps of people."""

    list_select_related = ("user",)
    search_help_text = "Beginning of an email; an id"

    def find(self, text: str) -> Iterable[Any]:
        """By the person."""
        rows = self.model._default_manager.order_by("-pk")  # noqa: SLF001 -- Django documents it
        yield from rows.filter(user_id__in=search.user_ids(text)).values_list("pk", flat=True)

    @admin.display(description="user")
    def person(self, row: Any) -> str:
        """Who it is, masked."""
        return shown.person(row.user)


class EmailAddressAdmin(OfUsers):
    """Addresses, confirmed or not."""

    list_display = ("person", "verified", "primary")


class AuthenticatorAdmin(OfUsers):
    """Passkeys and other second factors, without their secrets."""

    hidden = ("data",)
    list_display = ("person", "type", "created_at", "last_used_at")


class UserSessionAdmin(OfUsers):
    """Where people are signed in, without the keys of the sessions."""

    hidden = ("session_key",)
    list_display = ("person", "created_at", "last_seen_at")


def register(site: admin.AdminSite) -> None:
    """Put these pages in the place of django-allauth's."""
    for model, page in (
        (EmailAddress, EmailAddressAdmin),
        (Authenticator, AuthenticatorAdmin),
        (UserSession, UserSessionAdmin),
    ):
        site.unregister(model)
        site.register(model, page)
