"""People as staff see them: shown, found, moved to a new address on proof; nothing typed over."""
# ruff: noqa: ARG002 -- the signatures are Django's

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from billing.staff import search, shown
from billing.staff.actions import NamedAction, ReasonForm
from billing.staff.read_only import ReadOnlyAdmin
from connectivity.accounts import moves
from connectivity.accounts.models import User
from fleet.search import owner_ids


class MoveForm(ReasonForm):
    """Where the account goes."""

    email = forms.EmailField(
        label="New email address",
        max_length=254,
        widget=forms.EmailInput(attrs={"size": 40, "autocomplete": "off"}),
    )
    field_order = ["email", "reason"]


def _move(user: User, data: dict[str, Any], actor: Any, now: datetime) -> str:
    moved = moves.move(
        user_id=user.pk, email=data["email"], reason=data["reason"], actor=actor, now=now
    )
    if not moved:
        return "The account has this address already; nothing was changed."
    return "The account has moved. Both addresses are told."


MOVE = NamedAction(
    slug="move",
    label="Move to a new email",
    permission="accounts.move_user",
    form=MoveForm,
    effect=lambda user: (
        f"{user.email} stops being the login of this account, and the new address becomes it. "
        "All its sessions end, both addresses are told, and Stripe writes to the new one. Cars and "
        "subscriptions stay as they are. See proof before you do this."
    ),
    run=_move,
    refusals=(moves.AddressTaken, moves.StaffMovesStaff),
)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """A person. Only a superuser says who is staff, and in which group."""

    hidden = ("password",)
    list_display = ("masked_email", "is_staff", "is_active", "created_at")
    list_filter = ("is_staff",)
    readonly_fields = ("cars", "payments")
    named_actions = (MOVE,)
    roles = ("is_active", "is_staff", "groups")

    def find(self, text: str) -> Iterable[Any]:
        """By email, by car, or by what they pay for at Stripe."""
        yield from search.user_ids(text)
        yield from owner_ids(text)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Roles are a superuser's to give."""
        return bool(request.user.is_active and request.user.is_superuser)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything, and the groups."""
        return [*(name for name in self.shown if name not in self.roles), *self.roles]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All but the roles."""
        return [name for name in self.shown if name not in self.roles]

    @admin.display(description="email")
    def masked_email(self, row: User) -> str:
        """The email, masked."""
        return shown.masked(row.email)

    @admin.display(description="cars")
    def cars(self, row: User) -> str:
        """Theirs now and before."""
        url = reverse("admin:fleet_ownership_changelist")
        return format_html('<a href="{}?q={}">cars</a>', url, row.pk)

    @admin.display(description="payments")
    def payments(self, row: User) -> str:
        """What they pay for."""
        subscriptions = reverse("admin:billing_subscription_changelist")
        customers = reverse("admin:billing_customer_changelist")
        return format_html(
            '<a href="{}?q={}">subscriptions</a>, <a href="{}?q={}">at Stripe</a>',
            *(subscriptions, row.pk, customers, row.pk),
        )
