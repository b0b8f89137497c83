"""Bends django-allauth to this house: words, mails, passkeys; knows nothing of cars or money."""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from connectivity.accounts import mails
from connectivity.notices import letters

_AUTHENTICATE = "allauth.mfa.stages.AuthenticateStage"
_PASSKEY = "mfa_reauthenticate:webauthn"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth is untyped
    """Sign-in and sign-up."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is closed. Write to support to open it again."),
        "incorrect_code": _(
            "This code is not right. Use the one from our newest email, or ask for a new code."
        ),
        "too_many_login_attempts": _(
            "That was tried too often. Wait a minute, then ask for a new code."
        ),
        "rate_limited": _("That was tried too often. Wait a minute, then try again."),
        "same_as_current": _("This is your email address already."),
        "email_taken": _("This email address belongs to another account."),
        "code_expired": _("That code is no longer valid. Enter your email to get a new one."),
    }

    def clean_email(self, email: str) -> str:
        """Return the form in which emails are stored and compared."""
        return email.strip().lower()

    def get_login_stages(self) -> list[str]:
        """The steps of a sign-in, with our own rule for who must show a second factor."""
        ours = "connectivity.accounts.stages.SecondFactorStage"
        return [ours if path == _AUTHENTICATE else path for path in super().get_login_stages()]

    def render_mail(
        self,
        template_prefix: str,
        email: str,
        context: dict[str, Any],
        headers: dict[str, str] | None = None,  # noqa: ARG002 -- allauth's own signature
    ) -> EmailMultiAlternatives:
        """Return a mail as all of ours are: in the page's language, its HTML made from its text."""
        subject, text = mails.words(template_prefix, context)
        return letters.letter(subject, text, to=email)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """The ways to show once more who one is, the passkey first: the first is the default."""
        methods = super().get_reauthentication_methods(user)
        return sorted(methods, key=lambda method: method["id"] != _PASSKEY)

    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell whoever wanted a second account where to sign in; there is no password to reset."""
        login_url = context.request.build_absolute_uri(reverse("account_login"))
        self.send_mail("account/email/account_already_exists", email, {"login_url": login_url})


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth is untyped
    """Passkeys, authenticator apps and recovery codes."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _(
            "This code or passkey was not accepted. Try again, or use another way to sign in."
        ),
        "unverified_email": _("Confirm your email address first, under “Email address”."),
    }

    def generate_authenticator_name(
        self,
        user: AbstractBaseUser,
        type: Authenticator.Type,  # noqa: A002 -- allauth's own signature
    ) -> str:
        """A name for the next key, which its owner may change."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return gettext("Passkey {number}").format(number=count + 1) if count else gettext("Passkey")

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Who asks for the passkey, as the device shows it."""
        return {"id": context.request.get_host().partition(":")[0], "name": letters.BRAND}
