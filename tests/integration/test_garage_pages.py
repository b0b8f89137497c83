"""The garage's pages: what an owner sees and what happens when they press something."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from billing import clock, queries
from billing.models import Checkout, Customer, Grant, Seat, Subscription
from fleet import garage, pairing
from fleet.models import Claim, Delivery, Ownership, PairingAttempt
from fleet.vin import Vin
from tests.factories import make_car, make_user, next_vin

pytestmark = pytest.mark.django_db

ADD = "/garage/add/"


@pytest.fixture
def owner():
    return make_user("owner@example.com")


@pytest.fixture
def browser(owner) -> Client:
    return browser_of(owner)


def browser_of(user) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def page(car, name: str = "car", *more) -> str:
    return reverse(f"garage:{name}", args=[car.vehicle.id, *more])


def text(response):
    return response.content.decode()


def code_of(car) -> str:
    return pairing.issue(car.vehicle, now=clock.now()).user_code


def subscribe(car, owner, status: str = "active", **facts) -> Subscription:
    """A subscription as a sync would have recorded it."""
    now = clock.now().replace(microsecond=0)
    customer, _ = Customer.objects.get_or_create(
        payer=owner, currency="usd", defaults={"stripe_customer_id": f"cus_{owner.pk}"}
    )
    subscription = Subscription.objects.create(
        **{
            "stripe_subscription_id": f"sub_{car.vehicle.id}",
            "subject_id": car.vehicle.id,
            "customer": customer,
            "status": status,
            "plan": "premium",
            "interval": "month",
            "currency": "usd",
            "unit_amount": 1000,
            "period_ends_at": now + timedelta(days=30),
            "paid_through": now + timedelta(days=30),
            "card_brand": "visa",
            "card_last4": "4242",
            "created_at": now,
            **facts,
        }
    )
    Seat.objects.create(
        subject_id=car.vehicle.id, payer=owner, subscription=subscription, taken_at=now
    )
    Grant.objects.create(
        subject_id=car.vehicle.id,
        plan="premium",
        starts_at=now,
        ends_at=now + timedelta(days=37),
        source="subscription",
        subscription=subscription,
        created_at=now,
    )
    return subscription


# Adding a car


def test_a_car_is_added_by_vin_and_code(browser, owner):
    car = make_car()
    sloppy = {
        "vin": f" {car.vehicle.vin[:8].lower()} {car.vehicle.vin[8:]}",
        "code": code_of(car).lower(),
    }

    answer = browser.post(ADD, sloppy, follow=True)

    assert answer.redirect_chain == [(page(car), 302)]
    assert "Your car is in your garage." in text(answer)
    assert Ownership.objects.get().owner == owner


@pytest.mark.parametrize(
    ("vin", "code", "said"),
    [
        ("", "WDJB-MJHT", "This field is required"),
        ("5YJ3E1EA0KF00031", "WDJB-MJHT", "this one has 16"),
        ("5YJ3E1EAXKF000316", "WDJB-MJHT", "check digit"),
        ("5YJ3E1EA0KFOOO316", "WDJB-MJHT", "never has the letter O"),
        ("5YJ3E1EA0KF000316", "WDJB", "8 letters"),
        ("5YJ3E1EA0KF000316", "<script>", "8 letters"),
        ("5YJ3E1EA0KF000316", "WDJB-MJHT", "do not belong together"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(browser, vin, code, said):
    answer = browser.post(ADD, {"vin": vin, "code": code})

    assert answer.status_code == 422
    assert said in text(answer)
    assert '<form class="panel form" method="post"' in text(answer)
    assert "<script>" not in text(answer)


def test_a_doubtful_vin_from_elsewhere_is_asked_about_once(browser):
    car = make_car(vin="WVWZZZ1JZ3W386752")
    code = code_of(car)

    answer = browser.post(ADD, {"vin": car.vehicle.vin, "code": code})
    assert "looks mistyped" in text(answer)
    assert 'name="confirmed"' in text(answer)
    assert not PairingAttempt.objects.exists()
    answer = browser.post(ADD, {"vin": car.vehicle.vin, "code": code, "confirmed": "on"})

    assert answer.headers["Location"] == page(car)


def test_after_ten_wrong_codes_the_page_says_when_to_come_back(browser):
    for _ in range(10):
        browser.post(ADD, {"vin": next_vin(), "code": "BBBBBBBB"})

    answer = browser.post(ADD, {"vin": next_vin(), "code": "BBBBBBBB"})

    assert "Too many wrong codes" in text(answer)
    assert "<time datetime=" in text(answer)


def test_ones_own_car_leads_to_its_page(browser, owner):
    car = make_car(owner)

    answer = browser.post(ADD, {"vin": car.vehicle.vin, "code": "BBBBBBBB"}, follow=True)

    assert answer.redirect_chain == [(page(car), 302)]
    assert "in your garage already" in text(answer)


def test_a_car_that_has_an_owner_opens_a_claim_and_shows_nothing(browser, owner):
    car = make_car(make_user())

    answer = browser.post(ADD, {"vin": car.vehicle.vin, "code": code_of(car)})

    assert "we have told the owner" in text(answer)
    assert car.vehicle.vin not in text(answer)
    assert Claim.objects.get().claimant == owner
    assert browser.get(page(car)).status_code == 404
    assert "No car here yet" in text(browser.get("/garage/"))


# Seeing cars


def test_an_empty_garage_says_what_to_do(browser):
    answer = text(browser.get("/garage/"))

    assert "No car here yet" in answer
    assert f'href="{ADD}"' in answer


@pytest.mark.parametrize("whose", ["another's", "nobody's", "unknown", "former"])
@pytest.mark.parametrize("name", ["car", "status", "release"])
def test_foreign_and_unknown_cars_are_not_found(browser, owner, whose, name):
    car = make_car({"another's": make_user(), "former": owner}.get(whose))
    url = page(car, name)
    if whose == "former":
        garage.release(owner=owner, vehicle_id=car.vehicle.id, now=clock.now())
    if whose == "unknown":
        url = url.replace(str(car.vehicle.id), str(owner.pk))

    answer = browser.get(url)

    assert answer.status_code == 404
    gone = whose == "former" and name == "car"
    assert ("no longer yours" if gone else "There is nothing here") in text(answer)
    assert car.vehicle.vin not in text(answer)


@pytest.mark.parametrize("name", ["subscribe", "release"])
def test_foreign_cars_cannot_be_changed(browser, name):
    car = make_car(make_user())

    assert browser.post(page(car, name)).status_code == 404
    assert Ownership.objects.get().ends_at is None


@pytest.mark.parametrize("path", ["/garage/", ADD])
def test_nobody_sees_a_garage_without_signing_in(client, path):
    assert client.get(path).headers["Location"] == f"/accounts/login/?next={path}"


def test_pages_of_a_garage_are_kept_by_no_cache(browser):
    assert "no-store" in browser.get("/garage/").headers["Cache-Control"]


def test_a_new_car_is_offered_both_prices_and_its_own_features(browser, owner):
    answer = text(browser.get(page(make_car(owner, hardware="mcu1"))))

    assert "Subscribe for $10 a month" in answer
    assert "Subscribe for $100 a year" in answer
    assert "Premium adds live traffic, satellite maps" in answer
    has, _, lacks = answer.partition("Not in this car")
    assert "Karaoke" not in has
    assert re.search(r"Karaoke<br><span[^>]*>Needs newer hardware", lacks)
    assert lacks.count("Needs newer hardware") == 3


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"hardware": "none"}, "has no modem"),
        ({"lifetime_premium": True}, "for life"),
    ],
)
def test_a_car_that_cannot_take_premium_says_why(browser, owner, facts, said):
    car = make_car(owner, **facts)

    assert said in text(browser.get(page(car)))
    assert "Subscribe for" not in text(browser.get(page(car)))
    answer = browser.post(
        page(car, "subscribe"), {"lookup_key": "premium_monthly_usd"}, follow=True
    )
    assert said in text(answer)
    assert not Checkout.objects.exists()


def test_an_active_car_shows_charge_amount_and_card(browser, owner):
    car = make_car(owner)
    subscribe(car, owner)

    answer = text(browser.get(page(car)))

    assert "Next charge $10.00 plus tax on <time datetime=" in answer
    assert "Visa •4242" in answer
    assert "Subscribe for" not in answer


def test_while_a_renewal_is_due_the_next_charge_is_the_one_that_is_due(browser, owner):
    car = make_car(owner)
    due = clock.now().replace(microsecond=0) + timedelta(minutes=20)
    subscribe(car, owner, paid_through=due, period_ends_at=due + timedelta(days=30))

    answer = text(browser.get(page(car)))

    assert f'plus tax on <time datetime="{due:%Y-%m-%dT%H:%M:%SZ}"' in answer


@pytest.mark.parametrize(
    ("status", "facts", "said"),
    [
        ("", {}, "Confirming your payment…"),
        ("trialing", {}, "Trial: 29 days left"),
        ("past_due", {}, "Payment failed"),
        ("unpaid", {}, "a payment is missing"),
        ("paused", {}, "Paused"),
        ("active", {"ends_at": "soon"}, "You keep Premium until then"),
    ],
)
def test_each_state_of_a_subscription_has_its_words(browser, owner, status, facts, said):
    car = make_car(owner)
    facts = {name: clock.now() + timedelta(days=5) for name in facts}
    subscribe(car, owner, status, **facts)

    assert said in text(browser.get(page(car)))
    assert said in text(browser.get("/garage/"))


def test_the_car_is_said_to_have_it_only_when_it_said_so(browser, owner):
    car = make_car(owner)
    subscribe(car, owner)
    told = Delivery.objects.create(
        vehicle=car.vehicle,
        version=queries.version(car.vehicle.id),
        reference="D-1",
        plan="premium",
        changed_at=clock.now(),
    )
    car.vehicle.last_contact_at = clock.now()
    car.vehicle.save()
    lines = {}
    for state in ("pending", "sent", "failed", "applied"):
        applied_at = clock.now() if state == "applied" else None
        Delivery.objects.filter(pk=told.pk).update(state=state, applied_at=applied_at)
        lines[state] = text(browser.get(page(car)))

    Delivery.objects.filter(pk=told.pk).update(state="sent", applied_at=None)
    car.vehicle.last_contact_at -= timedelta(days=2)
    car.vehicle.save()
    lines["asleep"] = text(browser.get(page(car)))

    assert "Waiting to send to your car" in lines["pending"]
    assert "Last report from your car: <time" in lines["sent"]
    assert "We have not heard from your car since <time" in lines["asleep"]
    assert "D-1" in lines["failed"]
    assert "Active in your car since <time" in lines["applied"]
    assert [state for state, line in lines.items() if "Active in your car" in line] == ["applied"]


def test_what_was_switched_off_before_the_car_was_bought_is_not_told(browser, owner):
    car = make_car(owner)
    newest = queries.version(car.vehicle.id)
    for version, plan, days in ((newest - 1, "premium", 5), (newest, "standard", 3)):
        ago = clock.now() - timedelta(days=days)
        Delivery.objects.create(
            vehicle=car.vehicle,
            version=version,
            reference=f"D-{version}",
            plan=plan,
            state="applied",
            changed_at=ago,
            applied_at=ago,
        )
    bought = text(browser.get(page(car)))
    Ownership.objects.update(starts_at=clock.now() - timedelta(days=9))

    assert "Switched off in your car" not in bought
    assert "Switched off in your car since <time" in text(browser.get(page(car)))


# Paying


def open_page(car, owner, **facts) -> Checkout:
    now = clock.now()
    checkout = Checkout.objects.create(
        id=car.vehicle.id,
        subject_id=car.vehicle.id,
        payer=owner,
        lookup_key="premium_monthly_usd",
        state="open",
        stripe_session_id=f"cs_{car.vehicle.id}",
        url="https://checkout.stripe.com/c/pay/1",
        started_at=now,
        expires_at=now + timedelta(hours=1),
        check_at=now + timedelta(hours=1),
    )
    Seat.objects.create(subject_id=car.vehicle.id, payer=owner, checkout=checkout, taken_at=now)
    return checkout


def test_an_open_payment_page_can_be_gone_on_with(browser, owner):
    car = make_car(owner)
    opened = open_page(car, owner)

    answer = text(browser.get(page(car)))

    assert "You have not been charged" in answer
    assert f'href="{opened.url}"' in answer
    assert "Subscribe for $10 a month" not in answer
    assert "Subscribe for $100 a year" in answer


def test_who_comes_back_from_paying_waits_and_has_the_page_ask(browser, owner):
    car = make_car(owner)
    opened = open_page(car, owner)
    later = opened.check_at
    assert later

    answer = text(browser.get(f"{page(car)}?checkout=done"))

    assert "Confirming your payment…" in answer
    assert "Subscribe for" not in answer
    assert f'hx-get="{page(car, "status")}?poll=1&amp;checkout=done"' in answer
    assert 'hx-trigger="load delay:2s, seen"' in answer
    opened.refresh_from_db()
    assert opened.check_at
    assert opened.check_at < later


def test_the_page_asks_ever_slower_and_stops_with_a_word(browser, owner):
    car = make_car(owner)
    open_page(car, owner)
    url = f"{page(car, 'status')}?checkout=done&poll="

    pauses = []
    for number in range(40):
        answer = text(browser.get(f"{url}{number}"))
        if "hx-get" not in answer:
            break
        pauses.append(int(answer.split("delay:")[1].split("s,")[0]))

    assert pauses == sorted(pauses)
    assert (pauses[0], max(pauses)) == (2, 9)
    assert 110 <= sum(pauses) <= 140
    assert "takes longer than usual" in answer


@pytest.mark.parametrize("number", ["-1", "x", "9" * 5000, "²"])
def test_a_strange_poll_number_does_no_harm(browser, owner, number):
    car = make_car(owner)

    assert browser.get(page(car, "status"), {"poll": number}).status_code == 200


def test_a_finished_state_asks_no_more(browser, owner):
    answer = text(browser.get(page(make_car(owner)) + "?checkout=done"))

    assert "hx-get" not in answer


def test_a_second_subscription_is_refused_in_words(browser, owner):
    car = make_car(owner)
    subscribe(car, owner)

    answer = browser.post(
        page(car, "subscribe"), {"lookup_key": "premium_monthly_usd"}, follow=True
    )

    assert "has a subscription already" in text(answer)


def test_a_price_that_is_not_sold_is_refused_in_words(browser, owner):
    car = make_car(owner)

    answer = browser.post(page(car, "subscribe"), {"lookup_key": "for_free"}, follow=True)

    assert "no longer offered" in text(answer)
    assert not Checkout.objects.exists()


# Releasing and claims


def test_releasing_asks_first_and_says_what_it_means(browser, owner):
    car = make_car(owner)
    subscribe(car, owner)

    assert "Unused time goes back to your card" in text(browser.get(page(car, "release")))
    assert Ownership.objects.get().ends_at is None
    answer = browser.post(page(car, "release"), follow=True)

    assert "no longer in your garage" in text(answer)
    assert Ownership.objects.get().ends_at is not None
    assert not Seat.objects.exists()


def test_a_claim_is_shown_to_the_owner_who_can_object(browser, owner):
    car = make_car(owner)
    buyer = make_user()
    garage.add(owner=buyer, vin=Vin.parse(car.vehicle.vin), code=code_of(car), now=clock.now())
    claim = Claim.objects.get()
    shown = text(browser.get(page(car)))
    assert "Somebody says that this car is theirs" in shown
    assert buyer.email not in shown

    answer = browser.post(page(car, "object", claim.pk), follow=True)

    assert "the car stays yours" in text(answer)
    assert "Somebody says" not in text(answer)
    assert "settled already" in text(browser.post(page(car, "object", claim.pk), follow=True))


@pytest.mark.parametrize("name", ["subscribe", "object"])
def test_nothing_is_changed_by_looking(browser, owner, name):
    more = [1] if name == "object" else []

    assert browser.get(page(make_car(owner), name, *more)).status_code == 405
