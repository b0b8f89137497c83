"""Cars as staff see them: everything shown, nothing typed over, changed by named actions only."""

from billing.staff import search as staff_search
from fleet import search
from fleet.admin import (
    deliveries,
    lease_keys,
    paces,
    pairings,
    rights,
    rollouts,
    site_states,
    subjects,
    vehicles,
)

__all__ = [
    "deliveries",
    "lease_keys",
    "paces",
    "pairings",
    "rights",
    "rollouts",
    "site_states",
    "vehicles",
]

staff_search.teach(search.vehicle_ids, subjects.page_of, subjects.object_to)
