"""What is for sale here is for sale at Stripe, once, and old prices keep their plan."""

import json

import pytest
from django.core.management import CommandError, call_command

from billing import clock, offers, queries, revisions
from billing.models import CatalogRevision, StripePrice
from tests.integration.billing.buying import MONTHLY
from tests.integration.conftest import Stripe

pytestmark = pytest.mark.django_db(transaction=True)


def test_syncing_twice_makes_nothing_the_second_time(stripe: Stripe) -> None:
    assert offers.sync(queries.catalog()) == []
    assert len(stripe.get("prices")["data"]) == 6
    assert set(StripePrice.objects.values_list("lookup_key", flat=True)) == set(
        queries.catalog().prices
    )
    assert len(set(StripePrice.objects.values_list("stripe_product_id", flat=True))) == 1


def test_an_emptied_mirror_is_filled_from_stripe_and_nothing_is_made(stripe: Stripe) -> None:
    StripePrice.objects.all().delete()
    assert offers.sync(queries.catalog()) == []
    assert StripePrice.objects.count() == 6


def test_a_changed_price_is_a_new_one_and_the_old_keeps_its_plan(stripe: Stripe) -> None:
    document = json.loads(offers.SHIPPED.read_text())
    document["prices"][0]["unit_amount"] = 1200
    old = StripePrice.objects.get(lookup_key=MONTHLY)
    sold = revisions.publish(document, now=clock.now())
    assert offers.sync(sold) == [MONTHLY]
    new = StripePrice.objects.get(lookup_key=MONTHLY)
    old.refresh_from_db()
    assert (new.unit_amount, new.plan, new.stripe_product_id) == (
        1200,
        old.plan,
        old.stripe_product_id,
    )
    assert old.lookup_key == ""


def test_publishing_counts_up(stripe: Stripe) -> None:
    document = json.loads(offers.SHIPPED.read_text())
    assert revisions.publish(document, now=clock.now()).revision == 2
    assert queries.catalog().revision == 2
    offers.publish_first(now=clock.now())
    assert CatalogRevision.objects.count() == 2


def test_the_command_says_what_it_did(stripe: Stripe, capsys) -> None:
    call_command("sync_catalog")
    assert "6 prices: nothing to do" in capsys.readouterr().out


def test_the_command_says_when_stripe_is_away(stripe: Stripe) -> None:
    stripe.control("faults", kind="error", times=9)
    with pytest.raises(CommandError, match="Run it again later"):
        call_command("sync_catalog")


def test_a_catalogue_that_comes_with_a_new_version_is_published_once(stripe: Stripe) -> None:
    older = {**queries.catalog_document()[1], "prices": []}
    CatalogRevision.objects.all().delete()
    revisions.publish(older, now=clock.now())

    call_command("sync_catalog")
    assert len(queries.catalog().prices) == 6
    assert queries.catalog().revision == 2

    revisions.publish(older, now=clock.now())  # Somebody sells nothing, on purpose.
    call_command("sync_catalog")
    assert queries.catalog().revision == 3
