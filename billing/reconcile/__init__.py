"""Stripe's whole state against ours: finds what differs and repairs it where a use case can.

It must never write a fact of money itself: what it repairs, it repairs by asking Stripe again.

# Note [Page by page]
A reconciliation goes through its stages, and each stage through its pages. After each page the row
says how far it came, so that one that was killed goes on there. A page is read in bulk from both
sides, and only what differs is looked at more closely. What it asks of Stripe, it takes from the
budget first (billing.budget).

# Note [Repaired, then written down]
A finding is written once it was repaired or left. Killed in between, a page is compared again: what
was repaired is not found again, so that what is written as left is left.
"""

from billing.reconcile.finding import KINDS, Found, Kind
from billing.reconcile.missed import catch_up
from billing.reconcile.pace import Pace
from billing.reconcile.run import STAGES, begin, due, step

__all__ = [
    "KINDS",
    "STAGES",
    "Found",
    "Kind",
    "Pace",
    "begin",
    "catch_up",
    "due",
    "step",
]
