"""One owner, many cars: each stands alone, and one more can always be paid for."""

from datetime import date, datetime, timedelta
from uuid import UUID

from billing.models import Customer, Grant, Seat, Subject, Subscription
from connectivity.accounts import moves
from fleet.models import Ownership, Vehicle
from tests.factories import Car, make_car, make_user, next_vin
from tests.journeys.browsing import opens, sees_car
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.telling import STANDARD, Fact, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
OVER = APRIL + GRACE
# The card is tried with the invoice, three days later, five days after that, and seven.
TRIED = [at(f"2027-04-{day} 10:00") for day in ("01", "04", "09", "16")]
STARTED = ["checkout_started", "grant_given", "subscription_active"]
CARS, ALL = 30, 460
MOST = 450  # Stripe holds 500 subscriptions for a customer; at 450 the next one opens.


def buy(journey: Journey, car: Car) -> None:
    """Pay for a car."""
    journey.owner.opens_checkout(car, MONTHLY)
    journey.owner.pays()


def let_the_next_charge_fail(journey: Journey, car: Car) -> None:
    """Have this car alone be paid for with a card that will be declined."""
    dashboard, mirror = Dashboard(journey.world), Subscription.objects.get(subject=car.vehicle.id)
    customer = Customer.objects.get(subscriptions=mirror).stripe_customer_id
    card = dashboard.does("payment_methods/pm_card_chargeCustomerFail/attach", customer=customer)
    name = f"subscriptions/{mirror.stripe_subscription_id}"
    dashboard.does(name, default_payment_method=card["id"])


def expect_untouched(journey: Journey, others: list[Car], until: datetime) -> None:
    """The cars that are paid for have what they had."""
    told = [journey.teller.verdict(car) for car in others]
    assert told == [premium(until=until)] * len(others)


def test_owner_with_30_cars_of_which_one_is_unpaid(journey: Journey) -> None:
    others = [journey.another_car() for _ in range(CARS - 1)]
    unpaid = journey.car
    for car in [unpaid, *others]:
        buy(journey, car)
    journey.expect(
        events=[fact(kind, of=car) for car in [unpaid, *others] for kind in STARTED],
        mails=["premium_started"] * CARS,
        charges=["$10.00"] * CARS,
        grants=[Given("subscription", BEGIN, OVER)],
        car=premium(until=OVER),
    )

    let_the_next_charge_fail(journey, unpaid)

    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.expect()
    journey.at_boundary(TRIED[0], before="premium", after="premium")
    journey.expect(
        events=[
            fact("subscription_past_due", of=unpaid),
            declined(unpaid, retry_at=TRIED[1]),
            *(fact("grant_changed", of=car, ends_at=MAY + GRACE) for car in others),
        ],
        mails=["payment_failed"],
        charges=["$10.00 declined", *["$10.00"] * len(others)],
    )
    expect_untouched(journey, others, MAY + GRACE)

    journey.at_boundary(TRIED[1], before="premium", after="premium")
    expect_declined_again(journey, retry_at=TRIED[2])
    expect_untouched(journey, others, MAY + GRACE)

    journey.at_boundary(OVER, before="premium", after="standard")
    journey.expect(car=STANDARD)
    expect_untouched(journey, others, MAY + GRACE)

    journey.at_boundary(TRIED[2], before="standard", after="standard")
    expect_declined_again(journey, retry_at=TRIED[3])
    journey.at_boundary(TRIED[3], before="standard", after="standard")
    journey.expect(
        events=[
            fact("grant_changed", of=unpaid, ends_at=APRIL),
            fact("subscription_canceled", of=unpaid),
            fact("payment_failed", of=unpaid, retry_at=""),
        ],
        mails=["premium_ended"],
        charges=["$10.00 declined"],
        grants=[Given("subscription", BEGIN, APRIL)],  # Nobody paid for the grace.
    )
    expect_untouched(journey, others, MAY + GRACE)


def declined(car: Car, *, retry_at: datetime) -> Fact:
    """The event that tells of it: until when the car has Premium was said once and stays."""
    return fact("payment_failed", of=car, amount=1000, retry_at=retry_at, access_until=OVER)


def expect_declined_again(journey: Journey, *, retry_at: datetime) -> None:
    """The one card was tried in vain, and nothing else was."""
    journey.expect(
        events=[declined(journey.car, retry_at=retry_at)],
        mails=["payment_failed"],
        charges=["$10.00 declined"],
    )


def test_payer_with_460_cars_has_a_second_customer_at_stripe(journey: Journey) -> None:
    buy(journey, journey.car)
    mirror(journey, silent_cars(journey, MOST - 2))
    fresh = [make_car(journey.owner.user) for _ in range(ALL - MOST + 1)]
    journey.world.settle()
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, OVER)],
        car=premium(until=OVER),
    )
    assert held(journey) == {1: MOST - 1}

    for count, car in enumerate(fresh):
        buy(journey, car)
        expected = {1: MOST, 2: count} if count else {1: MOST}
        assert held(journey) == expected
    journey.expect(
        events=[fact(kind, of=car) for car in fresh for kind in STARTED],
        mails=["premium_started"] * len(fresh),
        charges=["$10.00"] * len(fresh),
    )
    assert [journey.teller.verdict(car) for car in fresh] == [premium(until=OVER)] * len(fresh)
    assert "Next charge $10.00" in sees_car(journey.owner, fresh[-1]).text
    assert opens(journey.owner, "/garage/").html.count('<li class="card">') == ALL

    # Both customers are charged, and whose invoice it is makes no difference to their payer.
    journey.at_boundary(APRIL + DRAFT, before="premium", after="premium", of=fresh[-1])
    paying = [journey.car, *fresh]
    journey.expect(
        events=[fact("grant_changed", of=car, ends_at=MAY + GRACE) for car in paying],
        charges=["$10.00"] * len(paying),
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )
    shown = opens(journey.owner, "/billing/invoices/").text
    assert shown.count("$10.00") == 2 * len(paying)

    # Staff move the account, and both customers at Stripe have the new address.
    assert emails(journey) == ["owner@example.com"] * 2
    moves.move(
        user_id=journey.owner.user.pk,
        email="moved@example.com",
        reason="A letter with a copy of the purchase contract",
        actor=make_user("staff@example.com", is_staff=True),
        now=journey.now,
    )
    journey.world.settle()

    journey.expect(
        events=[fact("account_moved", old="owner@example.com", new="moved@example.com")],
        mails=["account_moved_old", "account_moved_new to moved"],
    )
    assert emails(journey) == ["moved@example.com"] * 2


def silent_cars(journey: Journey, count: int) -> list[UUID]:
    """Cars of the owner's that were never switched on: rows alone, which nobody is told of."""
    owner, day, key = journey.owner.user, date(2025, 6, 1), "A" * 38
    facts = {"model": "model_3", "hardware": "mcu3", "market": "US", "delivered_on": day}
    cars = Vehicle.objects.bulk_create(
        Vehicle(vin=next_vin(), public_key=f"{key}{number:05d}", **facts) for number in range(count)
    )
    Subject.objects.bulk_create(Subject(id=car.id) for car in cars)
    Ownership.objects.bulk_create(
        Ownership(vehicle=car, owner=owner, starts_at=journey.now) for car in cars
    )
    return [car.id for car in cars]


def mirror(journey: Journey, subjects: list[UUID]) -> None:
    """These cars are paid for by the payer's first customer, as if they had been bought long ago.

    Stripe does not know their subscriptions: how many there are is counted in our own rows.
    """
    [customer] = Customer.objects.filter(payer=journey.owner.user)
    rows = Subscription.objects.bulk_create(
        Subscription(
            stripe_subscription_id=f"sub_mirrored{number}",
            subject_id=subject,
            customer=customer,
            status="active",
            plan="premium",
            interval="month",
            currency="usd",
            unit_amount=1000,
            paid_through=MAY,
            created_at=BEGIN,
        )
        for number, subject in enumerate(subjects)
    )
    held_by = {"payer": journey.owner.user, "taken_at": BEGIN}
    Seat.objects.bulk_create(
        Seat(subject_id=subject, subscription=row, **held_by)
        for subject, row in zip(subjects, rows, strict=True)
    )
    dates = {"starts_at": BEGIN, "ends_at": MAY + GRACE, "created_at": BEGIN}
    kind = {"plan": "premium", "source": "subscription"}
    Grant.objects.bulk_create(
        Grant(subject_id=subject, subscription=row, **kind, **dates)
        for subject, row in zip(subjects, rows, strict=True)
    )


def held(journey: Journey) -> dict[int, int]:
    """How many subscriptions each of the payer's customers has, by its ordinal."""
    rows = Customer.objects.filter(payer=journey.owner.user).order_by("ordinal")
    return {row.ordinal: row.subscriptions.count() for row in rows}


def emails(journey: Journey) -> list[str]:
    """The payer's address as each of their customers at Stripe has it."""
    with journey.world.sandbox.store.reading() as tx:
        return [each["email"] for each in tx.select("customer")]
