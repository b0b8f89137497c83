"""Who sells, as each installation says it in its environment; no company is made up here."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Seller:
    """Whom people have a contract with."""

    name: str
    address: str
    email: str

    @property
    def lines(self) -> list[str]:
        """The address, a line for each part of it."""
        return [part.strip() for part in self.address.split(";") if part.strip()]


def seller() -> Seller:
    """Return what the settings say."""
    return Seller(settings.SELLER_NAME, settings.SELLER_ADDRESS, settings.SUPPORT_EMAIL)
