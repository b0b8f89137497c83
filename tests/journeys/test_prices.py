"""What it costs: a new price for new subscribers only, and each car in its market's currency."""

import copy
from datetime import datetime, timedelta

import pytest

from billing import offers, queries, revisions
from billing.models import CatalogRevision, Customer
from tests.factories import Car, make_car
from tests.journeys.browsing import card, letter, opens, sees_car
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, YEARLY, Journey
from tests.journeys.people import GOOD
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
STARTED = ["checkout_started", "grant_given", "subscription_active"]


def raises_prices(journey: Journey, **amounts: int) -> None:
    """Publish a catalogue with other amounts, and have Stripe know them."""
    newest = CatalogRevision.objects.order_by("-revision").first()
    assert newest is not None
    document = copy.deepcopy(newest.document)
    for price in document["prices"]:
        price["unit_amount"] = amounts.get(price["lookup_key"], price["unit_amount"])
    revisions.publish(document, now=journey.now)
    assert offers.sync(queries.catalog()) == list(amounts)
    journey.world.settle()
    journey.expect(events=[fact("catalog_published", revision=newest.revision + 1)])


def expect_paid(journey: Journey, charge: str, end: datetime, *, of: Car | None = None) -> None:
    """A first period is paid."""
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=[charge],
        grants=[Given("subscription", journey.now, end + GRACE)],
        car=premium(until=end + GRACE),
        of=of,
    )


def test_old_subscribers_keep_the_old_price(journey: Journey) -> None:
    journey.has_subscribed(MONTHLY)
    expect_paid(journey, "$10.00", APRIL)
    journey.goes_to(at("2027-03-10 12:00"))

    raises_prices(journey, premium_monthly_usd=1200)

    assert "Next charge $10.00 plus tax on Apr 1" in sees_car(journey.owner, journey.car).text
    other = journey.meets("newcomer")
    car = journey.another_car(other)
    assert "Subscribe for $12 a month" in sees_car(other, car).text
    other.opens_checkout(car, MONTHLY)
    assert "Due today $12.00" in opens(other, other.at).text
    other.pays()
    end = at("2027-04-10 12:00")
    journey.expect(
        events=STARTED,
        mails=["premium_started to newcomer"],
        charges=["$12.00"],
        grants=[Given("subscription", journey.now, end + GRACE)],
        car=premium(until=end + GRACE),
        of=car,
    )
    assert "Next charge $12.00 plus tax on Apr 10" in sees_car(other, car).text

    renews(journey, "$10.00", APRIL, MAY)
    assert "Next charge $10.00 plus tax on May 1" in sees_car(journey.owner, journey.car).text
    journey.at_boundary(end + DRAFT, before="premium", after="premium", of=car)
    paid = at("2027-05-10 12:00") + GRACE
    journey.expect(
        events=[fact("grant_changed", of=car, ends_at=paid)],
        charges=["$12.00"],
        grants=[Given("subscription", at("2027-03-10 12:00"), paid)],
        car=premium(until=paid),
        of=car,
    )


def renews(journey: Journey, charge: str, turn: datetime, end: datetime) -> None:
    """The next period of the owner's first car is charged, an hour after its turn."""
    journey.at_boundary(turn, before="premium", after="premium")
    journey.expect()
    journey.at_boundary(turn + DRAFT, before="premium", after="premium")
    journey.expect(
        events=[fact("grant_changed", of=journey.car, ends_at=end + GRACE)],
        charges=[charge],
        grants=[Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )


def test_who_ends_and_comes_back_pays_the_new_price(journey: Journey) -> None:
    journey.has_subscribed(MONTHLY)
    expect_paid(journey, "$10.00", APRIL)
    raises_prices(journey, premium_monthly_usd=1200)
    journey.cancels()
    journey.keeps()  # Undone is as if nothing had been: the old price stays.
    journey.expect(
        events=["renewal_stopped", "grant_changed", "renewal_resumed", "grant_changed"],
        mails=["cancel_scheduled", "renewal_resumed"],
    )
    renews(journey, "$10.00", APRIL, MAY)
    journey.cancels()
    journey.goes_to(MAY)
    first = Given("subscription", BEGIN, MAY)
    journey.expect(
        events=["renewal_stopped", "grant_changed", "subscription_canceled"],
        mails=["cancel_scheduled", "premium_ended"],
        grants=[first],
        car=STANDARD,
    )

    journey.subscribes(MONTHLY)

    end = at("2027-06-01 09:00") + GRACE
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$12.00"],
        grants=[first, Given("subscription", MAY, end)],
        car=premium(until=end),
    )


def test_switching_is_to_what_is_offered_now(journey: Journey) -> None:
    """Who pays the old month switches to the new year, and the credit is of what was paid."""
    journey.has_subscribed(MONTHLY)
    expect_paid(journey, "$10.00", APRIL)
    raises_prices(journey, premium_monthly_usd=1200, premium_yearly_usd=12000)
    journey.goes_to(at("2027-03-10 12:00"))

    offer = sees_car(journey.owner, journey.car).follows("Switch to yearly")
    assert "$120.00 per year plus tax" in offer.text
    assert "$7.06" in offer.text
    offer.presses("Pay $112.94 and switch")

    end = at("2028-03-10 12:00") + GRACE
    journey.expect(
        events=[
            fact("switched", amount=11294, currency="usd", to=YEARLY),
            fact("grant_changed", ends_at=end),
        ],
        mails=["switched"],
        charges=["$112.94"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def test_a_page_that_stands_open_sells_at_the_price_that_it_shows(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    paying = opens(journey.owner, journey.owner.at)
    journey.expect(events=["checkout_started"])

    raises_prices(journey, premium_monthly_usd=1200)

    assert "Due today $10.00" in paying.text
    paying.presses("Subscribe", **card(GOOD))
    journey.expect(
        events=STARTED[1:],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )


@pytest.mark.parametrize(
    ("market", "key", "month", "year", "tax", "credit", "due"),
    [
        ("CA", "cad", "CA$13", "CA$130", "plus tax", "CA$9.17", "CA$120.83"),
        ("DE", "eur", "€10", "€100", "incl. VAT", "€7.06", "€92.94"),
    ],
)
def test_a_second_currency(
    journey: Journey, market: str, key: str, month: str, year: str, tax: str, credit: str, due: str
) -> None:
    """An owner's car of another market is sold, charged and told of in that market's currency."""
    journey.subscribes(MONTHLY)
    expect_paid(journey, "$10.00", APRIL)
    abroad = make_car(journey.owner.user, market=market)

    owner, monthly = journey.owner, f"premium_monthly_{key}"
    shown = sees_car(owner, abroad)
    assert f"Subscribe for {month} a month" in shown.text
    assert f"Subscribe for {year} a year" in shown.text
    owner.opens_checkout(abroad, monthly)
    paying = opens(owner, owner.at)
    assert f"Due today {month}.00" in paying.text
    back = paying.presses("Subscribe", **card(GOOD))
    expect_paid(journey, f"{month}.00", APRIL, of=abroad)
    assert f"Next charge {month}.00 {tax} on Apr 1" in back.text
    assert f"{month}.00 per month {tax}" in letter(owner)
    # One payer, two customers at Stripe: a customer has one currency.
    customers = Customer.objects.filter(payer=owner.user).order_by("id")
    assert list(customers.values_list("currency", flat=True)) == ["usd", key]

    journey.goes_to(at("2027-03-10 12:00"))
    offer = sees_car(owner, abroad).follows("Switch to yearly")
    assert f"{year}.00 per year {tax}" in offer.text
    assert credit in offer.text
    offer.presses(f"Pay {due} and switch")
    end = at("2028-03-10 12:00") + GRACE
    journey.expect(
        events=[
            fact("switched", of=abroad, currency=key),
            fact("grant_changed", of=abroad, ends_at=end),
        ],
        mails=["switched"],
        charges=[due],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
        of=abroad,
    )
    assert f"{due} were charged now." in letter(owner)
    renews(journey, "$10.00", APRIL, MAY)
    listed = opens(owner, "/billing/invoices/").text
    for amount in (f"{month}.00", due, "$10.00"):
        assert amount in listed


@pytest.mark.parametrize(
    ("market", "price", "word", "paid", "tax", "due"),
    [
        ("DE", "premium_monthly_eur", "€10.00 incl. VAT", "€10.00", "€1.60", "VAT in it €14.37"),
        ("US", MONTHLY, "$10.00 plus tax", "$11.90", "$1.90", "Tax $17.10"),
    ],
)
def test_tax_is_in_a_price_in_euros_and_put_on_one_in_dollars(
    journey: Journey, settings, market: str, price: str, word: str, paid: str, tax: str, due: str
) -> None:
    settings.STRIPE_AUTOMATIC_TAX = True
    Dashboard(journey.world).controls("settings", tax_percent="19")
    owner, journey.car = journey.owner, make_car(journey.owner.user, market=market)
    journey.world.settle()

    owner.opens_checkout(journey.car, price)
    paying = opens(owner, owner.at)
    assert f"Due today {paid}" in paying.text
    back = paying.presses("Subscribe", **card(GOOD))

    expect_paid(journey, paid, APRIL)
    assert f"Next charge {word} on Apr 1" in back.text
    # The whole of the month is given back: 90 of the new price, and the tax on or in it.
    assert due in back.follows("Switch to yearly").text
    listed = opens(owner, "/billing/invoices/").text
    assert f"includes {tax} tax" in listed
    assert paid in listed


def test_no_car_is_sold_in_another_markets_currency(journey: Journey) -> None:
    shown = sees_car(journey.owner, journey.car)
    assert "€" not in shown.text
    url = f"{shown.url}subscribe/"

    answer = journey.owner.browser.post(url, {"lookup_key": "premium_monthly_cad"}, follow=True)

    assert "This price is no longer offered." in answer.content.decode()
    journey.expect()
