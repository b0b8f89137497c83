"""What holds for many cars: how often they are told to ask, which staff set, and their traits."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin

from billing.staff.actions import NamedAction, ReasonForm
from billing.staff.read_only import ReadOnlyAdmin
from fleet import pace
from fleet.models import Pace, TraitSet


class PaceForm(ReasonForm):
    """Which cars, and how often."""

    market = forms.RegexField(
        r"^[A-Za-z]{2}$",
        required=False,
        help_text="Two letters, such as DE; empty: all markets that have no pace of their own.",
    )
    how = forms.ChoiceField(
        choices=[
            ("own", "As usual: what was set here no longer counts"),
            ("slow", "Every so many seconds:"),
            ("stop", f"Stop: they come back after {pace.STOP // 3600} hours"),
        ],
        widget=forms.RadioSelect,
    )
    seconds = forms.IntegerField(
        required=False, min_value=pace.FASTEST, max_value=pace.STOP, help_text="With the second."
    )
    field_order = ["market", "how", "seconds", "reason"]

    def clean(self) -> dict[str, Any]:
        """Want the seconds where they count."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("how") == "slow" and data.get("seconds") is None:
            self.add_error("seconds", "Say how many.")
        return data


def _set(_row: Pace, data: dict[str, Any], actor: Any, now: datetime) -> str:
    seconds = {"own": None, "slow": data["seconds"], "stop": pace.STOP}[data["how"]]
    rules = pace.change(
        market=data["market"].upper() or pace.ALL,
        seconds=seconds,
        reason=data["reason"],
        actor=actor,
        now=now,
    )
    return f"The edges are told within seconds, each car when it asks next. In force: {rules}."


SET_PACE = NamedAction(
    slug="set",
    label="Set how often cars ask",
    permission="fleet.set_pace",
    form=PaceForm,
    effect=lambda row: (
        "Cars are told with each answer when to come back. They are told the same as ever about "
        "themselves, but learn of a change as much later. A car that was told to come back in six "
        f"hours comes back in six hours, whatever is set meanwhile. In force: {row.seconds}."
    ),
    run=_set,
    refusals=(pace.WrongPace,),
    available=lambda row: row.revision == pace.current()[0],
)


@admin.register(Pace)
class PaceAdmin(ReadOnlyAdmin):
    """Each pace that was set, the one in force first."""

    list_display = ("revision", "at", "seconds", "by")
    list_select_related = ("actor",)
    search_help_text = "Number of a revision"
    named_actions = (SET_PACE,)

    def find(self, text: str) -> Iterable[Any]:
        """By its number."""
        return [int(text)] if text.isdecimal() else []


@admin.register(TraitSet)
class TraitSetAdmin(ReadOnlyAdmin):
    """The numbers by which snapshots name what cars are."""

    list_display = ("number", "words")
    search_help_text = "Number of a set"

    def find(self, text: str) -> Iterable[Any]:
        """By its number."""
        return [int(text)] if text.isdecimal() else []
