"""The facts of cars: what each is, whose, what it was told and confirmed; decides nothing."""

from fleet.models.delivery import Delivery, Report, UsedAssertion
from fleet.models.journal import DomainEvent, LeaseSchedule, Pace
from fleet.models.pairing import Claim, Pairing, PairingAttempt
from fleet.models.rights import Consent, Driver, Transfer
from fleet.models.rollouts import Rollout
from fleet.models.sites import Era, SiteState
from fleet.models.vehicles import Ownership, TraitSet, Vehicle

__all__ = [
    "Claim",
    "Consent",
    "Delivery",
    "DomainEvent",
    "Driver",
    "Era",
    "LeaseSchedule",
    "Ownership",
    "Pace",
    "Pairing",
    "PairingAttempt",
    "Report",
    "Rollout",
    "SiteState",
    "TraitSet",
    "Transfer",
    "UsedAssertion",
    "Vehicle",
]
