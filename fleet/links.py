"""The links that are mailed to who may have no account: signed, each of one row, kept nowhere.

It must never know what a link is for, nor whether that is over.
"""

from typing import Generic, TypeVar

from django.core import signing
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


class Links(Generic[Row]):
    """The links of one kind; a salt keeps them apart from all others."""

    def __init__(self, salt: str, rows: QuerySet[Row]) -> None:
        """Take where to look for what a link is of."""
        self._signer, self._rows = signing.Signer(salt=salt), rows

    def token(self, row: Row) -> str:
        """What the address of the link has in it."""
        return self._signer.sign(str(row.pk))

    def find(self, token: str) -> Row | None:
        """What a link is of; None for one that we did not write, or whose row has gone."""
        try:
            return self._rows.filter(pk=self._signer.unsign(token)).first()
        except signing.BadSignature:
            return None
