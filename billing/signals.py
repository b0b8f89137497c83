"""The house's only signal: it carries ids, never decisions, and is sent after the commit."""

from django.dispatch import Signal

# Keyword `subject_ids`: list of UUIDs whose facts have changed. A lost one is a delay, never a
# loss: the rows of billing.models.Change are the queue of record.
grants_changed = Signal()
