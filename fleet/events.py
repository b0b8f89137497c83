"""The fleet's audit trail, for whoever tells people."""

from billing.events import Journal
from fleet.models import DomainEvent

journal = Journal(DomainEvent, ("actor", "data__owner", "data__claimant"))
