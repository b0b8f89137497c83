"""What the first page shows of Premium: each feature as a picture with a sentence, and the prices.

What Premium contains and costs is the catalogue's; this adds the words. It must never know a car:
what a certain car can do, its own page says.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.catalog import Feature, Price
from fleet import agreeing, words

_TEXTS: dict[str, Promise] = {
    "live_traffic": _("See where it is slow before you get there, and go round it."),
    "satellite_maps": _("See the road, the entrance and the car park from above."),
    "video_streaming": _("Watch your series on the large screen while you park or charge."),
    "music_streaming": _("Your playlists and stations, without a phone in between."),
    "karaoke": _("Any song, its words on the screen, and everybody sings."),
    "browser": _("Look something up on a screen that is larger than your phone's."),
    "live_camera": _("Look at what is around your parked car, from wherever you are."),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A feature as the first page shows it; `name` is a message to translate."""

    art: str
    name: str
    text: Promise | str
    # Whether it asks for something that not every car has.
    in_some_cars: bool


def features(sold: Iterable[Feature]) -> list[Shown]:
    """Return what everybody can have; one that is newer than this code has a name and no text."""
    out = [feature for feature in sold if feature.is_out]
    return [
        Shown(gain.icon, gain.name, _TEXTS.get(feature.code, ""), bool(feature.requires))
        for feature, gain in zip(out, words.gains(out), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Prices:
    """What Premium costs in a currency, by month and by year."""

    month: words.Offer
    year: words.Offer
    # What a year saves against twelve months; empty where it saves nothing.
    saved: str


def prices(sold: Iterable[Price]) -> Prices | None:
    """Return the words for the prices of a currency, or None where it does not have both."""
    found = {price.interval: price for price in sold}
    if not {"month", "year"} <= found.keys():
        return None
    month, year = found["month"], found["year"]
    return Prices(words.offer(month), words.offer(year), agreeing.saved([month, year]))
