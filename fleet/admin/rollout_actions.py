"""What staff can do about roll-outs, and what each would change, in numbers: see fleet.rollouts."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms

from billing import clock, queries, revisions
from billing.catalog import CatalogInvalid
from billing.staff.actions import NamedAction, ReasonForm
from fleet import progress, rollouts
from fleet.models import Rollout, TraitSet
from fleet.models.rollouts import SHARES

STEPS = (10, 50, 100, 200, 500, 1_000, 2_000, 5_000, SHARES)  # of 10,000
REFUSALS = (rollouts.Overtaken, rollouts.WrongShare, rollouts.Over, revisions.FeatureIsMissing)
LABELS = {"market": "Only in markets", "model": "Only models", "hardware": "Only hardware"}


class SeenForm(ReasonForm):
    """Remembers what the roll-out was when the page was opened, so that nobody undoes another."""

    seen = forms.IntegerField(widget=forms.HiddenInput)


class RaiseForm(SeenForm):
    """How far."""

    share = forms.IntegerField(widget=forms.RadioSelect, error_messages={"required": "Choose one."})
    field_order = ["share", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the steps that are higher, each with its number of cars."""
        super().__init__(*args, **kwargs)
        self.fields["share"].widget.choices = self.initial.get("steps", ())


class BeginForm(ReasonForm):
    """What the feature is, for whom, and with how many it begins; asks twice."""

    feature = forms.RegexField(
        r"^[a-z][a-z0-9_]{1,63}$",
        help_text="The code that cars know: small letters, digits, underscores. Cars ignore a code "
        "that their software does not know.",
        error_messages={"invalid": "Small letters, digits and underscores, such as live_camera."},
    )
    name = forms.CharField(max_length=100, help_text="As owners read it.")
    plan = forms.ChoiceField(help_text="The feature joins this plan.")
    market = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    model = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    hardware = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    share = forms.TypedChoiceField(
        coerce=int,
        choices=[(step, rollouts.percent(step)) for step in STEPS],
        widget=forms.RadioSelect,
        help_text="Of the cars that it is for. The share can be raised later, not lowered.",
    )
    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ["feature", "name", "plan", *rollouts.KINDS, "share", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the plans that are sold, and what kinds of cars there are."""
        super().__init__(*args, **kwargs)
        sold = queries.catalog().plans.values()
        self._offer("plan", [(plan.code, plan.name) for plan in sold])
        for kind, values in _kinds().items():
            self._offer(kind, [(value, value) for value in values])
            self.fields[kind].label = LABELS[kind]
            self.fields[kind].help_text = "None ticked: all."

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    @property
    def audience(self) -> dict[str, list[str]]:
        """For whom it is."""
        return {kind: self.cleaned_data[kind] for kind in rollouts.KINDS if self.cleaned_data[kind]}

    def clean(self) -> dict[str, Any]:
        """Show how many cars it would be before it is done: the same is to be sent twice."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return data
        wanted = json.dumps([data["plan"], self.audience, data["share"]])
        if data["shown"] != wanted:
            self.data = {**self.data.dict(), **self._several(), "shown": wanted}  # type: ignore[attr-defined]
            able = progress.able(data["plan"], self.audience, now=clock.now())
            raise forms.ValidationError(
                f"Nothing has been done yet. It is for {able:,} cars now, and would begin with "
                f"about {_of(able, data['share']):,} of them. Begin it?"
            )
        return data

    def _several(self) -> dict[str, list[str]]:
        return {kind: self.cleaned_data[kind] for kind in rollouts.KINDS}


def audience(rollout: Rollout) -> str:
    """For whom it is, in words."""
    groups = rollout.audience
    named = [f"{kind} {' or '.join(groups[kind])}" for kind in rollouts.KINDS if groups.get(kind)]
    return f"cars with {rollout.plan}" + "".join(f", {each}" for each in named)


def _kinds() -> dict[str, list[str]]:
    """The values of each kind that cars have, as far as any site was told of one."""
    found: dict[str, set[str]] = {kind: set() for kind in rollouts.KINDS}
    for words in TraitSet.objects.values_list("words", flat=True):
        for label in json.loads(words):
            kind, _, value = label.partition(":")
            if kind in found:
                found[kind].add(value)
    found["hardware"].discard("none")
    return {kind: sorted(values) for kind, values in found.items()}


def _of(able: int, share: int) -> int:
    return round(able * share / SHARES)


def _counted(rollout: Rollout) -> Rollout:
    """With numbers that are not old: who decides by them waits the second that it takes."""
    now = clock.now()
    if progress.is_due(rollout, now=now):
        progress.count(rollout, now=now)
    return rollout


def _steps(rollout: Rollout) -> Iterator[tuple[int, str]]:
    able = _counted(rollout).able
    for step in STEPS:
        if step > rollout.share:
            cars = able if step == SHARES else _of(able, step)
            more = max(0, cars - rollout.due)
            yield step, f"{rollouts.percent(step)}: about {cars:,} cars, {more:,} more than now"


def _to_raise(rollout: Rollout) -> str:
    _counted(rollout)
    halted = " It is halted, and goes on with this." if rollout.state == "halted" else ""
    return (
        f"“{rollout.name}” is on for {rollouts.percent(rollout.share)} of {audience(rollout)}: "
        f"{rollout.due:,} of {rollout.able:,}. {rollout.applied:,} say that they have it, "
        f"{rollout.failed:,} that it failed. Those keep it; the cars that are added have it at "
        f"their next poll. The share cannot be lowered, only rolled back as a whole.{halted}"
    )


def _to_halt(rollout: Rollout) -> str:
    _counted(rollout)
    return (
        f"The share of “{rollout.name}” stands still at {rollouts.percent(rollout.share)} until "
        f"somebody raises it: {rollout.due:,} cars keep it, {rollout.able - rollout.due:,} go on "
        "without. Nothing is taken from any car. One that newly gets the plan and falls into the "
        "share gets the feature too; to stop that as well, roll back."
    )


def _to_roll_back(rollout: Rollout) -> str:
    _counted(rollout)
    return (
        f"“{rollout.name}” leaves {rollout.plan}: the {rollout.due:,} cars that are told of it "
        f"lose it at their next poll, {rollout.applied:,} of which say that they have it. A car "
        "without signal keeps it until it is back, or until its lease ends, at most 40 days. "
        "This cannot be undone; a new roll-out begins with other cars."
    )


def _raise(rollout: Rollout, data: dict[str, Any], actor: Any, now: datetime) -> str:
    done = rollouts.raise_share(
        rollout_id=rollout.pk,
        share=data["share"],
        seen=data["seen"],
        reason=data["reason"],
        actor=actor,
        now=now,
    )
    return f"Raised to {rollouts.percent(done.share)} by catalogue {done.revision}."


def _halt(rollout: Rollout, data: dict[str, Any], actor: Any, now: datetime) -> str:
    done = rollouts.halt(
        rollout_id=rollout.pk, seen=data["seen"], reason=data["reason"], actor=actor, now=now
    )
    return f"Halted at {rollouts.percent(done.share)} by catalogue {done.revision}."


def _roll_back(rollout: Rollout, data: dict[str, Any], actor: Any, now: datetime) -> str:
    done = rollouts.roll_back(
        rollout_id=rollout.pk, seen=data["seen"], reason=data["reason"], actor=actor, now=now
    )
    return f"Rolled back by catalogue {done.revision}. Each car is told at its next poll."


def begin(form: BeginForm, *, actor: Any, now: datetime) -> Rollout:
    """Begin what the form says. Raises CatalogInvalid, revisions.FeatureIsThere, WrongShare."""
    data = form.cleaned_data
    return rollouts.begin(
        feature=data["feature"],
        name=data["name"],
        plan=data["plan"],
        audience=form.audience,
        share=data["share"],
        reason=data["reason"],
        actor=actor,
        now=now,
    )


BEGIN_REFUSALS = (CatalogInvalid, revisions.FeatureIsThere, rollouts.WrongShare)
RAISE = NamedAction(
    slug="raise",
    label="Raise the share",
    permission="fleet.roll_out",
    form=RaiseForm,
    effect=_to_raise,
    run=_raise,
    refusals=REFUSALS,
    available=lambda rollout: rollout.state in Rollout.OPEN and not rollout.is_whole,
    initial=lambda rollout: {"seen": rollout.revision, "steps": list(_steps(rollout))},
)
HALT = NamedAction(
    slug="halt",
    label="Halt",
    permission="fleet.roll_out",
    form=SeenForm,
    effect=_to_halt,
    run=_halt,
    refusals=REFUSALS,
    available=lambda rollout: rollout.state == Rollout.State.RUNNING and not rollout.is_whole,
    initial=lambda rollout: {"seen": rollout.revision},
)
ROLL_BACK = NamedAction(
    slug="roll-back",
    label="Roll back",
    permission="fleet.roll_out",
    form=SeenForm,
    effect=_to_roll_back,
    run=_roll_back,
    refusals=REFUSALS,
    available=lambda rollout: rollout.state in Rollout.OPEN,
    initial=lambda rollout: {"seen": rollout.revision},
)
