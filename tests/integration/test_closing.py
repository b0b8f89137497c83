"""Closing an account: nothing runs on, nothing is charged, the person is forgotten at the end."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.core import mail

from billing import clock, gateway, tasks
from billing.gateway import customers
from billing.models import Checkout, Customer, DomainEvent, Intent, Invoice, Seat, Subscription
from connectivity.accounts import closing
from connectivity.accounts.tasks import sweep as go_on
from connectivity.notices.models import Notice
from connectivity.notices.tasks import sweep as tell
from connectivity.stalls import stalls
from fleet.models import DomainEvent as FleetEvent
from fleet.models import Ownership
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually
from tests.integration.test_garage_pages import browser_of, text

pytestmark = pytest.mark.django_db(transaction=True)
CLOSE, NOW = "/accounts/close/", {"now": "1"}


@pytest.fixture
def owner():
    person = make_user("owner@example.com")
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


def fresh(person, ago: int = 0):
    """A browser in which that person has just signed in."""
    browser = browser_of(person)
    session = browser.session
    session["account_authentication_methods"] = [{"method": "code", "at": clock.wall() - ago}]
    session["account_authentication_methods_user"] = str(person.pk)
    session.save()
    return browser


def paid(stripe: Stripe, owner):
    car = make_car(owner)
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(subject_id=car.vehicle.id, status="active").first)
    return car


def everything() -> None:
    """What the workers do, until nothing moves."""
    for _ in range(4):
        tasks.sweep()
        tell()
        go_on()
        clock.advance(120)
    tell()
    go_on()


def is_stamped(person, name: str) -> bool:
    return get_user_model().objects.filter(pk=person.pk, **{f"{name}__isnull": False}).exists()


def test_it_ends_all_waits_for_stripe_and_forgets(stripe: Stripe, owner) -> None:
    paid(stripe, owner)
    paid(stripe, owner)
    customer = Customer.objects.get().stripe_customer_id
    browser = fresh(owner)
    assert "2 subscriptions are cancelled at once" in text(browser.get(CLOSE))

    answer = browser.post(CLOSE, NOW, follow=True)
    assert answer.redirect_chain == [("/accounts/login/", 302)]
    assert "Your account is being closed" in text(answer)
    assert not Ownership.objects.filter(ends_at=None).exists()
    assert not Seat.objects.exists()
    assert browser.get("/garage/").status_code == 302
    everything()

    row = get_user_model().objects.get()
    assert row.closed_at is not None
    assert not row.is_active
    assert "owner" not in row.email
    assert set(Subscription.objects.values_list("status", flat=True)) == {"canceled"}
    assert stripe.get(f"customers/{customer}")["deleted"]
    assert len(stripe.get("refunds")["data"]) == 2
    assert Invoice.objects.count() == 2
    assert not EmailAddress.objects.exists()
    assert not Authenticator.objects.exists()
    told = [message.subject for message in mail.outbox if message.to == ["owner@example.com"]]
    assert told[-1] == "Your account is closed"
    assert told.count("Your account is being closed") == told.count("Your account is closed") == 1
    assert not Notice.objects.filter(recipient="owner@example.com").exists()
    assert not Intent.objects.filter(request__icontains="owner@example.com").exists()


def test_nothing_is_forgotten_while_stripe_is_away(stripe: Stripe, owner) -> None:
    paid(stripe, owner)
    stripe.control("faults", kind="error", times=9_999, method="DELETE", path="/v1/")

    closing.start(user=owner, now=clock.now())
    everything()

    owner.refresh_from_db()
    assert owner.closing_at
    assert owner.closed_at is None
    assert owner.email == "owner@example.com"
    stripe.heal()
    clock.advance(7_200)
    everything()
    owner.refresh_from_db()
    assert owner.closed_at


def test_a_refusal_to_delete_stands_still_for_all_to_see(
    stripe: Stripe, owner, monkeypatch
) -> None:
    paid(stripe, owner)

    def refuse(*_args, **_options):
        raise gateway.StripeRefused("This customer is held.", "customer_held")

    with monkeypatch.context() as patched:
        patched.setattr(customers, "delete_customer", refuse)
        closing.start(user=owner, now=clock.now())
        everything()
    assert not is_stamped(owner, "closed_at")
    (stall,) = stalls(clock.now())
    assert (stall.what, stall.count) == ("intents", 1)
    assert Intent.objects.get(answered_at=None).error == "This customer is held."

    clock.advance(7_200)
    everything()

    assert is_stamped(owner, "closed_at")
    assert stalls(clock.now()) == []


def test_who_is_deleted_at_stripe_already_is_deleted(stripe: Stripe, owner) -> None:
    paid(stripe, owner)
    closing.start(user=owner, now=clock.now())
    tasks.sweep()
    stripe.delete(f"customers/{Customer.objects.get().stripe_customer_id}")

    everything()

    assert is_stamped(owner, "closed_at")
    assert Intent.objects.get(kind="delete_customer").answer == {}
    assert Customer.objects.get().gone_at


def test_a_page_that_is_paid_meanwhile_is_paid_back(stripe: Stripe, owner) -> None:
    car = make_car(owner)
    url = start(owner, car)
    stripe.control("webhooks/hold")
    closing.start(user=owner, now=clock.now())
    Intent.objects.filter(kind="expire_checkout").update(next_attempt_at=clock.now())
    stripe.pay(url)
    go_on()
    assert not get_user_model().objects.filter(pk=owner.pk, closed_at__isnull=False).exists()

    clock.advance(3_700)
    everything()

    owner.refresh_from_db()
    assert owner.closed_at
    mirror = Subscription.objects.get()
    assert mirror.status == "canceled"
    [refund] = stripe.get("refunds")["data"]
    assert refund["amount"] == 1_000
    assert Checkout.objects.get().state == "abandoned"


def test_one_that_was_made_in_the_dashboard_ends_too(stripe: Stripe, owner) -> None:
    paid(stripe, owner)
    customer = Customer.objects.get().stripe_customer_id
    price = stripe.get("prices?lookup_keys[]=premium_monthly_usd")["data"][0]["id"]
    stripe.control("webhooks/hold")
    card = stripe.post("payment_methods/pm_card_visa/attach", customer=customer)["id"]
    form = {"customer": customer, "items[0][price]": price, "default_payment_method": card}
    stripe.post("subscriptions", **form)
    closing.start(user=owner, now=clock.now())

    everything()

    owner.refresh_from_db()
    assert owner.closed_at
    assert set(Subscription.objects.values_list("status", flat=True)) == {"canceled"}
    assert Subscription.objects.count() == 2


def test_asked_for_twice_it_is_told_once(owner) -> None:
    for _ in range(2):
        closing.start(user=owner, now=clock.now())

    assert DomainEvent.objects.filter(kind="account_closing").count() == 1


def test_the_address_stays_until_the_fleets_news_are_told_too(owner) -> None:
    make_car(owner)
    closing.start(user=owner, now=clock.now())
    DomainEvent.objects.update(noticed_at=clock.now())

    go_on()
    assert not is_stamped(owner, "closed_at")
    tell()
    go_on()

    assert is_stamped(owner, "closed_at")
    told = [(sent.subject, sent.to) for sent in mail.outbox]
    assert ("The Model 3 has left your garage", ["owner@example.com"]) in told


def test_a_closed_account_is_told_nothing_any_more(owner) -> None:
    closing.start(user=owner, now=clock.now())
    everything()
    last = mail.outbox[-1]
    late = {"payer": owner, "at": clock.now(), "data": {"amount": 500, "currency": "usd"}}
    DomainEvent.objects.create(kind="refund_failed", **late)
    gone = {"actor": owner, "at": clock.now(), "vehicle": make_car().vehicle}
    FleetEvent.objects.create(kind="vehicle_released", **gone)

    everything()

    assert mail.outbox[-1] is last
    assert last.subject == "Your account is closed"
    assert not Notice.objects.filter(sent_at=None).exists()


def test_an_account_is_looked_at_until_its_last_mail_is_out(owner) -> None:
    closing.start(user=owner, now=clock.now())
    tell()
    go_on()
    assert is_stamped(owner, "closed_at")
    assert not is_stamped(owner, "forgotten_at")
    told = Notice.objects.get(template="account_closing")
    assert told.recipient.endswith("@closed.invalid")

    tell()
    go_on()

    assert is_stamped(owner, "forgotten_at")
    assert not Notice.objects.filter(recipient="owner@example.com").exists()


def test_who_did_not_just_sign_in_does_so_first(owner) -> None:
    browser = fresh(owner, ago=3_600)
    shown = text(browser.get(CLOSE))

    assert "sign in once more first" in shown
    assert "Close it now" not in shown
    browser.post(CLOSE, NOW)
    owner.refresh_from_db()
    assert owner.closing_at is None


def test_who_has_an_app_is_asked_for_it(owner) -> None:
    Authenticator.objects.create(user=owner, type="totp", data={"secret": "x"})

    answer = fresh(owner, ago=3_600).get(CLOSE)

    assert answer.status_code == 302
    assert "reauthenticate" in answer.headers["Location"]


def test_staff_cannot(owner) -> None:
    get_user_model().objects.update(is_staff=True)
    browser = fresh(owner)

    assert "Close it now" not in text(browser.get(CLOSE))
    with pytest.raises(closing.StaffAccount):
        closing.start(user=owner, now=clock.now())
    browser.post(CLOSE, NOW)
    owner.refresh_from_db()
    assert owner.closing_at is None


def test_a_stranger_is_sent_to_sign_in(client) -> None:
    assert client.get(CLOSE).headers["Location"].startswith("/accounts/login/")
