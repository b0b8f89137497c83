"""The sign-in forms in our words; knows nothing of what follows a sign-in."""

from typing import Any

from allauth.account import app_settings
from allauth.account import forms as allauth_forms
from allauth.account.models import EmailAddress
from allauth.mfa.webauthn import forms as webauthn_forms
from django import forms
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

EXAMPLE = "name@example.com"


def _email(field: forms.Field) -> None:
    field.label = _("Email address")
    # A longer one would be cut on its way to the database, and be another address.
    others = [each for each in field.validators if not isinstance(each, MaxLengthValidator)]
    field.validators = [*others, MaxLengthValidator(app_settings.EMAIL_MAX_LENGTH)]
    field.widget.attrs |= {"placeholder": EXAMPLE, "autocomplete": "email", "inputmode": "email"}


def _code(field: forms.Field) -> None:
    field.label = _("Code from the email")
    field.widget.attrs |= {
        "placeholder": "BCDF-GHJK",
        "autocapitalize": "characters",
        "spellcheck": "false",
        "autofocus": True,
    }


def _name(field: forms.Field) -> None:
    field.label = _("Name of this passkey")


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc] # allauth is untyped
    """An email address, to which a code is sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _email(self.fields["login"])

    def clean(self) -> dict[str, Any]:
        """See that the address on file is one that a code can confirm.

        People who were added by a command have no address row yet; without it they would be
        mailed two codes.
        """
        cleaned: dict[str, Any] = super().clean()
        if self.user:
            EmailAddress.objects.get_or_create(
                user=self.user, email=self.user.email, defaults={"primary": True}
            )
        return cleaned


class SignupForm(allauth_forms.SignupForm):  # type: ignore[misc] # allauth is untyped
    """An email address for a new account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _email(self.fields["email"])
        # The trap for robots: allauth hides it by an inline style, which the CSP forbids.
        self.fields[app_settings.SIGNUP_FORM_HONEYPOT_FIELD].widget.attrs = {
            "class": "visually-hidden",
            "tabindex": "-1",
            "autocomplete": "off",
            "aria-hidden": "true",
        }


class AddEmailForm(allauth_forms.AddEmailForm):  # type: ignore[misc] # allauth is untyped
    """The address to move the account to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _email(self.fields["email"])
        self.fields["email"].label = _("New email address")


class ConfirmLoginCodeForm(allauth_forms.ConfirmLoginCodeForm):  # type: ignore[misc] # untyped
    """The code that was mailed to sign in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _code(self.fields["code"])


class ConfirmEmailCodeForm(allauth_forms.ConfirmEmailVerificationCodeForm):  # type: ignore[misc]
    """The code that was mailed to confirm an address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _code(self.fields["code"])


class AddPasskeyForm(webauthn_forms.AddWebAuthnForm):  # type: ignore[misc] # allauth is untyped
    """A new passkey: always one that signs in by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _name(self.fields["name"])
        # A checkbox still, because allauth's script asks whether it is checked.
        self.fields["passwordless"].widget = forms.CheckboxInput(attrs={"hidden": True})
        self.initial["passwordless"] = True


class EditPasskeyForm(webauthn_forms.EditWebAuthnForm):  # type: ignore[misc] # allauth is untyped
    """Another name for a passkey."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _name(self.fields["name"])


class SignupPasskeyForm(webauthn_forms.SignupWebAuthnForm):  # type: ignore[misc] # allauth is untyped
    """The passkey that a new account begins with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _name(self.fields["name"])
