"""A car is passed on: nothing changes until the buyer accepts; then all of it does, at once."""

import re
from datetime import timedelta

from django.core import mail
from django.test import Client

from billing.grants import Gift, give
from fleet import consents, tasks
from tests.journeys.journey import Journey
from tests.journeys.people import Person, page
from tests.journeys.telling import STANDARD, Given, at, fact, premium
from tests.journeys.test_selling import APRIL, BEGIN, GRACE, SOLD, letter_to, pay

LINK = re.compile(r"/garage/offers/\S+")


def offer(journey: Journey, address: str) -> str:
    """The seller offers the car; return the link that the buyer was mailed."""
    seller = journey.owner
    assert f'href="{page(journey.car, "transfer")}"' in seller.sees(page(journey.car))
    assert "Until they accept, nothing changes" in seller.sees(page(journey.car, "transfer"))
    shown = seller._presses(page(journey.car, "transfer"), email=address)
    assert "You have offered this car" in shown
    [letter] = [each for each in mail.outbox if each.to == [address]]
    assert seller.user.email not in letter.body
    found = LINK.search(str(letter.body))
    assert found, letter.body
    return found[0]


def accept(journey: Journey, buyer: Person, link: str) -> str:
    shown = buyer.sees(link)
    assert "Accept the car" in shown
    assert journey.owner.user.email not in shown
    return buyer._presses(link, accept="yes")


def test_a_car_with_premium_passes_to_who_accepts_it(journey: Journey) -> None:
    """With a trial of its own beside what the seller pays for, and clips that the seller allows."""
    end = at("2027-04-20 00:00")
    pay(journey)
    give(Gift(journey.car.vehicle.id, "premium", "trial", BEGIN, end), now=journey.now)
    journey.owner._presses(page(journey.car, "learning"), allow=consents.TEXT)
    own, paid = Given("trial", BEGIN, end), Given("subscription", BEGIN, APRIL + GRACE)
    journey.expect(
        events=[fact("grant_given", source="trial"), "learning_allowed"],
        mails=["learning"],
        grants=[paid, own],
        car=premium(until=end, reason="trial"),
    )

    journey.goes_to(SOLD)
    buyer = journey.meets("buyer")
    link = offer(journey, buyer.user.email)
    # The seller has all they had: who was only asked has nothing.
    journey.expect(
        events=["transfer_offered"], mails=["transfer_offered to buyer", "transfer_receipt"]
    )
    assert buyer.browser.get(page(journey.car)).status_code == 404

    shown = accept(journey, buyer, link)
    journey.expect(
        events=[
            "seat_vacated",
            fact("refunded", amount=517),
            "subscription_canceled",
            "transfer_accepted",
            fact("learning_withdrawn", by_itself=True),
            "vehicle_lost",
            "vehicle_added",
        ],
        mails=["refunded", "vehicle_released", "vehicle_added to buyer"],
        refunds=["$5.17"],
        grants=[Given("subscription", BEGIN, SOLD), own],
        car=premium(until=end, reason="trial"),
    )
    assert "The car is yours now." in shown
    assert "You have allowed it" not in shown
    assert "invoice" not in shown.lower().partition("<main")[2].partition("</main")[0]
    assert journey.owner.browser.get(page(journey.car)).status_code == 404
    told = letter_to(journey.owner, "left your garage")
    assert "The person to whom you offered it has accepted it" in told
    bought = letter_to(buyer, "is in your garage")
    assert "It comes with a trial of Premium Connectivity until Apr 20, 2027." in bought
    assert journey.owner.user.email not in bought
    assert buyer.browser.post(link, {"accept": "yes"}).status_code == 410  # Good once.

    journey.at_boundary(end, before="premium", after="standard")
    journey.expect(car=STANDARD)


def test_a_buyer_without_an_account_makes_one_on_the_way(journey: Journey) -> None:
    pay(journey)
    journey.goes_to(SOLD)
    link = offer(journey, "new@example.com")
    journey.expect(
        events=["transfer_offered"], mails=["transfer_offered to new", "transfer_receipt"]
    )

    browser = Client()
    shown = browser.get(link).content.decode()
    found = re.search(r'href="(/accounts/signup/\?next=[^"]+)"', shown)
    assert found, shown
    browser.get(found[1])
    form = {"email": "new@example.com", "next": link}
    browser.post("/accounts/signup/", form, follow=True)
    code = re.search(r"\b[B-Z]{4}-[B-Z]{4}\b", str(mail.outbox[-1].body))
    assert code
    answer = browser.post("/accounts/confirm-email/", {"code": code[0]})
    assert answer.headers["Location"] == link
    answer = browser.post(link, {"accept": "yes"}, follow=True)
    assert "The car is yours now." in answer.content.decode()
    journey.world.settle()
    assert "vehicle_added to new" in journey.teller.news().mails
    journey.expect(grants=[Given("subscription", BEGIN, SOLD)], car=STANDARD)


def test_what_nobody_accepts_changes_nothing(journey: Journey) -> None:
    """Declined without an account; taken back; run out: the seller has Premium as before."""
    pay(journey)
    link = offer(journey, "one@example.com")
    assert Client().post(link, {"decline": "yes"}).status_code == 200
    journey.world.settle()
    journey.expect(
        events=["transfer_offered", "transfer_declined"],
        mails=["transfer_offered to one", "transfer_receipt", "transfer_unanswered"],
    )

    link = offer(journey, "two@example.com")
    assert "Taken back" in journey.owner._presses(page(journey.car, "take_back"))
    journey.expect(
        events=["transfer_offered", "transfer_taken_back"],
        mails=["transfer_offered to two", "transfer_receipt", "transfer_over to two"],
    )
    assert "The owner has taken it back." in Client().get(link).content.decode()

    link = offer(journey, "three@example.com")
    journey.goes_to(BEGIN + timedelta(days=14))
    assert Client().get(link).status_code == 410
    tasks.tidy()
    journey.world.settle()
    journey.expect(
        events=["transfer_offered", "transfer_expired"],
        mails=[
            "transfer_offered to three",
            "transfer_receipt",
            "transfer_unanswered",
            "transfer_over to three",
        ],
    )
    assert "You have offered" not in journey.owner.sees(page(journey.car))
