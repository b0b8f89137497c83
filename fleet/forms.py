"""What a person types to add a car, made sense of; decides nothing about the car."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from fleet.pairing import LENGTH, normalized
from fleet.vin import Vin, VinError


class AddCarForm(forms.Form):
    """A VIN and the code on the car's screen."""

    vin = forms.CharField(
        label=_("VIN"),
        max_length=64,
        help_text=_(
            "17 characters: in the papers, at the foot of the windscreen, or on the car's screen."
        ),
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
            }
        ),
    )
    code = forms.CharField(
        label=_("Code on the car's screen"),
        max_length=64,
        help_text=_("Eight letters, good for 15 minutes."),
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "placeholder": "WDJB-MJHT",
            }
        ),
    )
    # Shown only for a VIN that may be mistyped although its maker need not heed the check digit.
    confirmed = forms.BooleanField(label=_("This is what the car shows"), required=False)

    def focus(self) -> None:
        """Put the cursor where something is to be typed: at the first error, else at the start."""
        first = next((name for name in self.fields if name in self.errors), "vin")
        self.fields[first].widget.attrs["autofocus"] = True

    def clean_vin(self) -> Vin:
        """Return the VIN as a value."""
        try:
            return Vin.parse(self.cleaned_data["vin"])
        except VinError as error:
            raise ValidationError(str(error)) from error

    def clean_code(self) -> str:
        """Return the code's letters; a code of another length cannot be right and costs no try."""
        code = normalized(self.cleaned_data["code"])
        if len(code) != LENGTH:
            raise ValidationError(
                _("The code has %(length)d letters, such as WDJB-MJHT."), params={"length": LENGTH}
            )
        return code

    def clean(self) -> dict[str, Any]:
        """Ask for a second look at a VIN whose check digit does not fit."""
        cleaned: dict[str, Any] = super().clean() or {}
        vin = cleaned.get("vin")
        if vin and vin.doubtful and not cleaned.get("confirmed"):
            self.add_error(
                "confirmed",
                _(
                    "This VIN looks mistyped: its ninth character does not fit the others. "
                    "Compare it with the car; if it is the same, tick the box."
                ),
            )
        return cleaned

    @property
    def model(self) -> str:
        """The code of the model that the VIN names; empty until there is such a VIN."""
        vin = getattr(self, "cleaned_data", {}).get("vin")
        return vin.line if vin else ""

    @property
    def asks_to_confirm(self) -> bool:
        """Whether the page shows the box."""
        return self.is_bound and ("confirmed" in self.errors or bool(self.data.get("confirmed")))


class AddressForm(forms.Form):
    """The email address of somebody else."""

    email = forms.EmailField(
        label=_("Their email address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": "name@example.com"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Put the cursor where something is to be typed."""
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autofocus"] = True
