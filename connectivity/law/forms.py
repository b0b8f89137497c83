"""What people type to end a contract, made sense of; decides nothing about any contract."""

from datetime import date
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _

from billing import clock
from connectivity.law.declarations import Said
from connectivity.law.models import Declaration

_AS_TYPED = {"autocapitalize": "characters", "spellcheck": "false", "autocomplete": "off"}


class DeclarationForm(forms.Form):
    """Who declares, and about which contract; the address takes the receipt."""

    kind = ""
    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(
        label=_("Your name"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("Email address of your account"),
        max_length=254,
        help_text=_("Your receipt goes there."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    reference = forms.CharField(
        label=_("VIN or contract number"),
        max_length=200,
        help_text=_(
            "The VIN of the car, or its last 6 characters, as your garage and your invoices show "
            "them. If you do not know it, describe the car."
        ),
        widget=forms.TextInput(attrs=_AS_TYPED),
    )

    def clean_email(self) -> str:
        """Return the address as accounts have it."""
        return str(self.cleaned_data["email"]).strip().lower()

    def focus(self) -> None:
        """Put the cursor into the first field that is wrong."""
        first = next((name for name in self.fields if name in self.errors), "")
        if first:
            self.fields[first].widget.attrs["autofocus"] = True

    def said(self) -> Said:
        """What was declared."""
        facts = {key: value for key, value in self.cleaned_data.items() if key != "form"}
        return Said(kind=self.kind, **facts)


class WithdrawForm(DeclarationForm):
    """A withdrawal: no reason is asked for."""

    kind = Declaration.Kind.WITHDRAW


class CancelForm(DeclarationForm):
    """A cancellation: how, and when it is to end."""

    kind = Declaration.Kind.CANCEL
    manner = forms.ChoiceField(
        label=_("How do you cancel?"),
        choices=[
            (Declaration.Manner.ORDINARY, _("Ordinary: no reason is needed")),
            (Declaration.Manner.GOOD_CAUSE, _("For good cause, without notice")),
        ],
        initial=Declaration.Manner.ORDINARY,
    )
    reason = forms.CharField(
        label=_("Your reason"),
        max_length=2000,
        required=False,
        help_text=_("Only if you cancel for good cause."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    ends_on = forms.DateField(
        label=_("When is it to end?"),
        required=False,
        help_text=_("Leave this empty and it ends as soon as possible."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": _("Write the date as year-month-day, such as 2027-03-31.")},
    )

    def clean_ends_on(self) -> date | None:
        """Return the date, unless it has passed."""
        day: date | None = self.cleaned_data["ends_on"]
        if day is not None and day < clock.now().date():
            raise forms.ValidationError(
                _("This day has passed. Choose a later one, or leave it empty.")
            )
        return day

    def clean(self) -> dict[str, Any]:
        """A good cause has to be named; whoever cancels without one needs none."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("manner") == Declaration.Manner.ORDINARY:
            cleaned["reason"] = ""
        elif not cleaned.get("reason") and "reason" not in self.errors:
            self.add_error(
                "reason",
                _("Name your reason. If you have none, cancel in the ordinary way."),
            )
        return cleaned
