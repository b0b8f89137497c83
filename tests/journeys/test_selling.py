"""A car changes hands: what the seller pays for ends at once, what came with the car stays."""

from datetime import timedelta

from django.core import mail

from billing.grants import Gift, give
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import Person, page
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL = at("2027-03-01 09:00"), at("2027-04-01 09:00")
SOLD = at("2027-03-16 09:00")  # 16 of 31 days are left: $5.1613 of $10.00, in the payer's favour
GRACE = timedelta(days=7)
STARTED = ["checkout_started", "grant_given", "subscription_active"]


def pay(journey: Journey) -> None:
    """The seller has paid the first month."""
    journey.has_subscribed(MONTHLY)
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )


def sell(journey: Journey) -> None:
    """The seller gives the car out of hand, and has it in writing."""
    journey.goes_to(SOLD)
    journey.owner.releases(journey.car)
    journey.expect(
        events=[
            fact("seat_vacated"),
            fact("refunded", amount=517),
            "subscription_canceled",
            "vehicle_released",
        ],
        mails=["refunded", "vehicle_released"],
        refunds=["$5.17"],
        grants=[Given("subscription", BEGIN, SOLD)],
        car=STANDARD,
    )


def test_car_sold_mid_month(journey: Journey) -> None:
    pay(journey)
    sell(journey)

    buyer = journey.meets("buyer")
    shown = buyer.adds(journey.car)
    journey.expect(events=["vehicle_added"], mails=["vehicle_added to buyer"])
    assert "Subscribe for $10 a month" in shown
    assert journey.owner.browser.get(page(journey.car)).status_code == 404

    journey.goes_to(APRIL + timedelta(days=1))
    journey.expect()  # Nobody is charged for it any more.


def test_car_sold_and_both_sides_have_it_in_writing(journey: Journey) -> None:
    """The seller: since when, what ended, what stays. The buyer: what the car has of its own."""
    end = at("2027-04-20 00:00")
    pay(journey)
    give(Gift(journey.car.vehicle.id, "premium", "trial", BEGIN, end), now=journey.now)
    journey.goes_to(SOLD)
    buyer = journey.meets("buyer")
    journey.owner.releases(journey.car)
    buyer.adds(journey.car)

    own = Given("trial", BEGIN, end)
    journey.expect(
        events=[
            fact("grant_given", source="trial"),
            "seat_vacated",
            fact("refunded", amount=517),
            "subscription_canceled",
            "vehicle_released",
            "vehicle_added",
        ],
        mails=["refunded", "vehicle_released", "vehicle_added to buyer"],
        refunds=["$5.17"],
        grants=[Given("subscription", BEGIN, SOLD), own],
        car=premium(until=end, reason="trial"),
    )
    sold = letter_to(journey.owner, "has left your garage")
    assert "The Model 3 left your garage on Mar 16, 2027, 09:00 UTC." in sold
    assert "it does not go to the next owner. Nothing more is charged." in sold
    assert "What came with the car stays with the car." in sold
    assert "$5.17" in letter_to(journey.owner, "We have sent back")
    bought = letter_to(buyer, "Model 3")
    assert "It comes with a trial of Premium Connectivity until Apr 20, 2027." in bought
    assert "A subscription of the owner before you has ended" in bought
    assert "owner@example.com" not in bought
    journey.at_boundary(end, before="premium", after="standard")
    journey.expect(car=STANDARD)


def letter_to(reader: Person, subject: str) -> str:
    """The one mail to somebody with this in its subject."""
    mine = [each for each in mail.outbox if reader.user.email in each.to]
    [found] = [each for each in mine if subject in each.subject]
    return f"{found.subject}\n{found.body}"


def test_car_sold_and_the_buyer_subscribes(journey: Journey) -> None:
    pay(journey)
    sell(journey)
    buyer = journey.meets("buyer")
    buyer.adds(journey.car)
    journey.expect(events=["vehicle_added"], mails=["vehicle_added to buyer"])

    buyer.opens_checkout(journey.car, MONTHLY)
    buyer.pays()

    end = at("2027-04-16 09:00") + GRACE
    journey.expect(
        events=STARTED,
        mails=["premium_started to buyer"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, SOLD), Given("subscription", SOLD, end)],
        car=premium(until=end),
    )


def test_car_sold_within_its_trial_keeps_the_trial(journey: Journey) -> None:
    end = at("2027-03-31 00:00")
    trial = Given("trial", BEGIN, end)
    journey.comes_with("trial", until=end)
    journey.subscribes(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_trialing"],
        mails=["trial_started"],
        grants=[trial, Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )

    journey.goes_to(SOLD)
    journey.owner.releases(journey.car)
    journey.expect(
        events=["seat_vacated", "subscription_canceled", "vehicle_released"],
        mails=["vehicle_released"],
        grants=[trial, Given("subscription", BEGIN, SOLD)],
        car=premium(until=end, reason="trial"),
    )

    buyer = journey.meets("buyer")
    buyer.adds(journey.car)
    journey.expect(events=["vehicle_added"], mails=["vehicle_added to buyer"])
    journey.at_boundary(end, before="premium", after="standard")
    journey.expect(car=STANDARD)


def test_car_sold_with_the_payment_page_open(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    journey.expect(events=["checkout_started"])

    journey.owner.releases(journey.car)

    journey.expect(
        events=["seat_vacated", "checkout_expired", "vehicle_released"], mails=["vehicle_released"]
    )
    assert "This page has expired" in journey.owner.pays()
    journey.expect()


def test_lifetime_car(journey: Journey) -> None:
    """It cannot buy what it has, and has it whoever owns it."""
    journey.comes_with("factory", until=None)
    shown = journey.owner.sees(page(journey.car))
    assert page(journey.car, "subscribe") not in shown
    journey.owner.browser.post(page(journey.car, "subscribe"), {"lookup_key": MONTHLY})
    journey.expect()

    journey.owner.releases(journey.car)
    journey.expect(events=["vehicle_released"], mails=["vehicle_released"])
    journey.meets("buyer").adds(journey.car)
    journey.expect(events=["vehicle_added"], mails=["vehicle_added to buyer"])

    journey.goes_to(at("2037-03-01 09:00"))
    journey.expect()


def test_the_buyer_pays_before_stripe_has_confirmed_the_sellers_cancel(journey: Journey) -> None:
    pay(journey)
    faults = journey.world.sandbox.faults
    faults.plant("error", times=99, method="DELETE", path="/v1/subscriptions/")
    journey.goes_to(SOLD)
    journey.owner.releases(journey.car)
    journey.expect(
        events=["seat_vacated", "vehicle_released"],
        mails=["vehicle_released"],
        grants=[Given("subscription", BEGIN, SOLD)],
        car=STANDARD,
    )

    buyer = journey.meets("buyer")
    buyer.adds(journey.car)
    buyer.opens_checkout(journey.car, MONTHLY)
    buyer.pays()
    end = at("2027-04-16 09:00") + GRACE
    journey.expect(
        events=[*STARTED, "vehicle_added"],
        mails=["vehicle_added to buyer", "premium_started to buyer"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, SOLD), Given("subscription", SOLD, end)],
        car=premium(until=end),
    )

    faults.clear()
    journey.goes_to(SOLD + timedelta(hours=1))
    journey.expect(
        events=[fact("refunded", amount=517), "subscription_canceled"],
        mails=["refunded"],
        refunds=["$5.17"],
    )
    assert [each["status"] for each in subscriptions(journey)] == ["active", "canceled"]
    journey.goes_to(at("2027-04-16 09:00") + timedelta(hours=1))
    renewed = at("2027-05-16 09:00") + GRACE
    journey.expect(
        events=[fact("grant_changed", ends_at=renewed)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, SOLD), Given("subscription", SOLD, renewed)],
        car=premium(until=renewed),
    )


def test_a_buyer_who_claims_waits_for_the_seller(journey: Journey) -> None:
    """The seller who pays keeps Premium until they let go; then the buyer needs a fresh code."""
    pay(journey)
    buyer = journey.meets("buyer")
    buyer.adds(journey.car)
    journey.expect(events=["claim_opened"], mails=["claim_opened"])
    assert buyer.browser.get(page(journey.car)).status_code == 404

    journey.goes_to(SOLD)
    journey.owner.releases(journey.car)
    journey.expect(
        events=[
            "seat_vacated",
            fact("refunded", amount=517),
            "subscription_canceled",
            "vehicle_released",
            "claim_released",
        ],
        mails=["refunded", "vehicle_released", "claim_decided to buyer"],
        refunds=["$5.17"],
        grants=[Given("subscription", BEGIN, SOLD)],
        car=STANDARD,
    )


def subscriptions(journey: Journey) -> list[dict]:
    """All that Stripe has, the newest first."""
    with journey.world.sandbox.store.reading() as tx:
        return tx.select("subscription")
