"""Money and entitlement as staff see them: everything shown, nothing typed over."""

from billing.admin import buying, catalog, invoices, journal, subjects, upkeep

__all__ = ["buying", "catalog", "invoices", "journal", "subjects", "upkeep"]
