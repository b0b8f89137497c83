"""What a text in a staff search box says of cars: a VIN, its beginning, its end, an owner, a code.

Each way is one short query on an index; see billing.staff.search.
"""

import re
from uuid import UUID

from django.db.models.functions import Reverse

from billing.staff import search
from fleet.models import Delivery, Ownership, Vehicle

_SEPARATORS = re.compile(r"[\s-]+")
_VIN_PART = re.compile(r"[A-HJ-NPR-Z0-9]{3,17}")
_ENDS = range(4, 9)  # characters that people read out from a VIN's end
_WHOLE = 17


def vehicle_ids(text: str) -> set[UUID]:
    """Cars by VIN, part of VIN, delivery reference, or owner."""
    return by_name(text) | by_owner(text)


def by_name(text: str) -> set[UUID]:
    """Cars by id, VIN, its beginning or its end, or by a delivery's reference."""
    part = _SEPARATORS.sub("", text).upper()
    deliveries = Delivery.objects.filter(reference=reference(text))
    found = {*search.as_id(text), *deliveries.values_list("vehicle_id", flat=True)}
    if _VIN_PART.fullmatch(part):
        found.update(_cars("vin", part) if len(part) == _WHOLE else _cars("vin__startswith", part))
        if len(part) in _ENDS:
            found.update(_cars("nivs__startswith", part[::-1]))
    return found


def reference(text: str) -> str:
    """The delivery reference that was read out, as it is kept: five letters, a hyphen, five."""
    letters = _SEPARATORS.sub("", text).upper()
    return f"{letters[:5]}-{letters[5:]}"


def by_owner(text: str) -> set[UUID]:
    """Cars that belong, or belonged, to the people whom the text names."""
    owners = search.user_ids(text)
    owned = Ownership.objects.filter(owner_id__in=owners).values_list("vehicle_id", flat=True)
    return set(owned[: search.MOST]) if owners else set()


def owner_ids(text: str) -> set[UUID]:
    """The people to whom the cars belong, or belonged, that the text names."""
    cars = by_name(text)
    return set(Ownership.objects.filter(vehicle_id__in=cars).values_list("owner_id", flat=True))


def _cars(lookup: str, part: str) -> list[UUID]:
    rows = Vehicle.objects.annotate(nivs=Reverse("vin"))
    return list(rows.filter(**{lookup: part}).values_list("pk", flat=True)[: search.MOST])
