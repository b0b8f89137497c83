"""The user: one person, known by their email; there is no username and normally no password."""

from typing import Any, ClassVar

import uuid6
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from billing import clock


class UserManager(BaseUserManager["User"]):
    """Makes users by email; what is compared is the lower-case form."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a new, saved user; without a password they sign in by code or passkey."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a new member of staff who may do everything."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user whose login is this email, in whatever case it was typed."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person: an owner, a member of staff, or both."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    email = models.EmailField(_("email address"), unique=True)
    language = models.CharField(_("language"), max_length=8, blank=True)
    is_staff = models.BooleanField(_("staff"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("since"), default=clock.now, editable=False)
    # See Note [Two weeks to think about it] in connectivity.accounts.grace.
    close_asked_at = models.DateTimeField(
        _("wants to close since"), null=True, blank=True, editable=False
    )
    # See Note [An account closes in steps] in connectivity.accounts.closing.
    closing_at = models.DateTimeField(_("closing since"), null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    forgotten_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When no mail had the address any more."
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")),
                name="user_email_is_lower_case",
            )
        ]
        # The sweep of accounts looks for these all day long; few of millions are there.
        indexes = [
            models.Index(
                fields=["close_asked_at"],
                condition=models.Q(close_asked_at__isnull=False, closing_at__isnull=True),
                name="account_close_asked",
            ),
            models.Index(
                fields=["closing_at"],
                condition=models.Q(closing_at__isnull=False, closed_at__isnull=True),
                name="account_closing",
            ),
            models.Index(
                fields=["closed_at"],
                condition=models.Q(closed_at__isnull=False, forgotten_at__isnull=True),
                name="account_to_forget",
            ),
        ]

    def __str__(self) -> str:
        return self.email
