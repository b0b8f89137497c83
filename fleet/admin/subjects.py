"""What billing's pages are told of their subjects: that they are cars, and who may pay for them."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html

from billing import clock
from fleet import entries
from fleet.entries import Hindrance
from fleet.garage import NotInGarage

OBJECTIONS = {
    Hindrance.NO_MODEM: "This car has no modem: it cannot take Premium.",
    Hindrance.REMOVED: "This car is no longer in service.",
    Hindrance.LIFETIME: "This car has Premium for good: there is nothing to pay for.",
}


def page_of(vehicle_id: UUID) -> str:
    """A link to the car's page."""
    url = reverse("admin:fleet_vehicle_change", args=[vehicle_id])
    return format_html('<a href="{}">car …{}</a>', url, str(vehicle_id)[-12:])


def object_to(vehicle_id: UUID, payer: Any) -> str:
    """Why this person cannot pay for the car; empty if they can, as far as we know cars."""
    try:
        entry = entries.entry(owner=payer, vehicle_id=vehicle_id, now=clock.now())
    except NotInGarage:
        return "The car is not in this person's garage: its owner adds it first."
    return OBJECTIONS.get(entry.hindrance, "") if entry.hindrance else ""
