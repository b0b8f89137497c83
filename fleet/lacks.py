"""What Premium does not bring to a certain car, and why, in words; decides nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from billing.catalog import Feature
from fleet import words
from fleet.models import Vehicle


@dataclass(frozen=True, slots=True)
class Lack:
    """A feature that a car does not get, and why."""

    gain: words.Gain
    why: str


def lacks(features: Iterable[Feature], vehicle: Vehicle) -> list[Lack]:
    """Return what this very car cannot have of these features, and why, before anybody pays.

    What is still being rolled out is not spoken of: who does not have it has not heard of it.
    """
    return [
        Lack(words.gains([feature])[0], _why(feature, vehicle.traits))
        for feature in features
        if feature.is_out and not feature.fits(vehicle.traits)
    ]


def _why(feature: Feature, traits: frozenset[str]) -> str:
    """The first thing that stands in the way; traits say what they are about."""
    missing = next(group for group in feature.requires if not group & traits)
    about = {trait.partition(":")[0] for trait in missing}
    if about == {"hardware"}:
        return _("Needs newer hardware")
    return _("Not in this market yet") if about == {"market"} else _("Not for this model")
