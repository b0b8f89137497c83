"""Says which payers pay for what is not theirs, or for no car that we know; ends nothing."""

from collections.abc import Iterable

from billing.owners import NOT_THEIRS, UNKNOWN, Pair
from fleet.models import Ownership, Vehicle


def wrong(pairs: Iterable[Pair]) -> dict[Pair, str]:
    """The pairs of a car and who pays for it that should not be, and why; in two queries."""
    asked = list(pairs)
    ids = {subject_id for subject_id, _ in asked}
    there = set(Vehicle.objects.filter(id__in=ids, removed_at=None).values_list("id", flat=True))
    rows = Ownership.objects.filter(vehicle__in=ids, ends_at=None)
    owned = set(rows.values_list("vehicle_id", "owner_id"))
    found = {}
    for pair in asked:
        if pair[0] not in there:
            found[pair] = UNKNOWN
        elif pair[1] is not None and pair not in owned:
            found[pair] = NOT_THEIRS
    return found
