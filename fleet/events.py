"""The fleet's audit trail, for whoever tells people."""

from billing.events import Journal
from fleet.models import DomainEvent

journal = Journal(DomainEvent)
