"""What is for sale: publishes what this version brings, and sees that Stripe knows its prices."""

import json
from datetime import datetime
from pathlib import Path

from django.db import transaction

from billing import catalog, gateway, revisions
from billing.gateway import customers
from billing.models import CatalogRevision, StripePrice

SHIPPED = Path(__file__).parent / "catalog.json"


def publish_first(*, now: datetime) -> None:
    """Publish what the repository sells, unless something was published before."""
    if not CatalogRevision.objects.exists():
        revisions.publish(json.loads(SHIPPED.read_text()), now=now)


def publish_shipped(*, now: datetime) -> bool:
    """Publish what the repository sells, unless it was published before; whether it was not."""
    shipped = json.loads(SHIPPED.read_text())
    if revisions.was_published(shipped):
        return False
    revisions.publish(shipped, now=now)
    return True


def sync(sold: catalog.Catalog) -> list[str]:
    """See that each price of the catalogue is at Stripe, by lookup key; return what was made there.

    And that Stripe's own pages for payers offer what we want them to.

    Raises gateway.StripeAway or gateway.StripeRefused; repeating it goes on where it stopped.
    """
    known = {price.lookup_key: price for price in gateway.prices(list(sold.prices))}
    made: list[str] = []
    for wanted in sold.prices.values():
        price = known.get(wanted.lookup_key)
        if price is None or not _same(price, wanted):
            price = _make(sold, wanted, known)
            known[wanted.lookup_key] = price
            made.append(wanted.lookup_key)
        _keep(price, wanted.plan)
    customers.portal_configuration()
    return made


def _same(price: gateway.Price, wanted: catalog.Price) -> bool:
    return (price.unit_amount, price.currency, price.interval, price.tax_included) == (
        wanted.unit_amount,
        wanted.currency,
        wanted.interval,
        wanted.tax_included,
    )


def _make(
    sold: catalog.Catalog, wanted: catalog.Price, known: dict[str, gateway.Price]
) -> gateway.Price:
    taxed = "inclusive" if wanted.tax_included else "exclusive"
    terms = f"{wanted.unit_amount}:{wanted.currency}:{wanted.interval}:{taxed}"
    return gateway.create_price(
        _product(sold, wanted.plan, known),
        wanted.lookup_key,
        wanted.currency,
        wanted.unit_amount,
        wanted.interval,
        tax_included=wanted.tax_included,
        key=f"price:{wanted.lookup_key}:{terms}",
    )


def _product(sold: catalog.Catalog, plan: str, known: dict[str, gateway.Price]) -> str:
    """The product of the plan: that of another of its prices, or a new one."""
    row = StripePrice.objects.filter(plan=plan).first()
    if row is not None:
        return row.stripe_product_id
    siblings = (
        price.product
        for price in known.values()
        if price.lookup_key in sold.prices and sold.prices[price.lookup_key].plan == plan
    )
    product = next(siblings, None)
    return product or gateway.create_product(plan, sold.plans[plan].name, key=f"product:{plan}")


@transaction.atomic
def _keep(price: gateway.Price, plan: str) -> None:
    superseded = StripePrice.objects.filter(lookup_key=price.lookup_key)
    superseded.exclude(stripe_price_id=price.id).update(lookup_key="")
    StripePrice.objects.update_or_create(
        stripe_price_id=price.id,
        defaults={
            "stripe_product_id": price.product,
            "plan": plan,
            "lookup_key": price.lookup_key,
            "currency": price.currency,
            "unit_amount": price.unit_amount,
            "interval": price.interval,
        },
    )
