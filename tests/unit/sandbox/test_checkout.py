"""What the hosted Checkout page does, and leaves behind."""

import threading

import pytest
import requests
import stripe

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import PAYS, Client, Receiver, SandboxClock, Shop, pay, until

DAY = 86400


def test_paying_makes_everything_that_stripe_makes(shop: Shop, client: Client):
    session = shop.checkout(
        client_reference_id="seat-1",
        metadata={"a": "1"},
        subscription_data={"metadata": {"subject": "s1"}},
    )
    assert (session.status, session.payment_status, session.subscription) == (
        "open",
        "unpaid",
        None,
    )
    assert client.v1.subscriptions.list({"customer": shop.customer.id}).data == []

    answer = pay(session.url)

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"http://localhost:8000/back/?session={session.id}"
    done = client.v1.checkout.sessions.retrieve(
        session.id,
        {"expand": ["line_items", "subscription.latest_invoice.payments", "customer"]},
    )
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert done.line_items.data[0].price.id == shop.monthly.id
    subscription = done.subscription
    assert subscription.status == "active"
    assert subscription.metadata.to_dict() == {"subject": "s1"}
    item = subscription["items"].data[0]
    assert 28 * DAY <= item.current_period_end - item.current_period_start <= 31 * DAY
    invoice = subscription.latest_invoice
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == (
        "paid",
        1000,
        "subscription_create",
    )
    assert invoice.lines.data[0].period.end == item.current_period_end
    assert invoice.parent.subscription_details.metadata.to_dict() == {"subject": "s1"}


def test_paying_leaves_the_payment_and_the_card(shop: Shop, client: Client):
    subscription = shop.subscribe()
    invoice = client.v1.invoices.retrieve(subscription.latest_invoice, {"expand": ["payments"]})
    intent = client.v1.payment_intents.retrieve(
        invoice.payments.data[0].payment.payment_intent, {"expand": ["latest_charge"]}
    )
    assert (intent.status, intent.amount_received) == ("succeeded", 1000)
    assert intent.latest_charge.payment_method_details.card.last4 == "4242"
    method = client.v1.payment_methods.retrieve(subscription.default_payment_method)
    assert (method.customer, method.card.brand, method.card.exp_year) == (
        shop.customer.id,
        "visa",
        2034,
    )


def test_events_tell_it_in_order(shop: Shop, client: Client):
    shop.subscribe()
    told = [event.type for event in client.v1.events.list({"limit": 100}).data]
    assert list(reversed(told)) == [
        "product.created",
        "price.created",
        "customer.created",
        "payment_method.attached",
        "charge.succeeded",
        "payment_intent.succeeded",
        "customer.subscription.created",
        "invoice.created",
        "customer.updated",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize(
    ("number", "words", "code", "decline_code"),
    [
        ("4000000000000002", "Your card was declined.", "card_declined", "generic_decline"),
        ("4000000000009995", "insufficient funds", "card_declined", "insufficient_funds"),
        ("4000000000009987", "Your card was declined.", "card_declined", "lost_card"),
        ("4000000000009979", "Your card was declined.", "card_declined", "stolen_card"),
        ("4000000000000069", "Your card has expired.", "expired_card", None),
        ("4000000000000127", "security code is incorrect", "incorrect_cvc", None),
        ("4000000000000119", "error occurred while processing", "processing_error", None),
        ("4000000000000341", "Your card was declined.", "card_declined", "generic_decline"),
    ],
)
def test_a_declined_card_says_why_and_another_one_pays(
    shop: Shop, client: Client, number, words, code, decline_code
):
    session = shop.checkout()
    page = pay(session.url, number)
    assert page.status_code == 200
    assert words in page.text.replace("&#39;", "'")
    assert "Ada Owner" in page.text
    assert number not in page.text
    failed = client.v1.events.list({"type": "payment_intent.payment_failed"}).data[0].data.object
    assert failed["last_payment_error"]["code"] == code
    assert failed["last_payment_error"].to_dict().get("decline_code") == decline_code
    assert client.v1.subscriptions.list({"status": "all"}).data == []

    assert pay(session.url).status_code == 303
    [invoice] = client.v1.invoices.list({"customer": shop.customer.id}).data
    assert invoice.status == "paid"
    succeeded = client.v1.events.list({"type": "payment_intent.succeeded"}).data[0].data.object
    assert succeeded["id"] == failed["id"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"cardNumber": "4242424242424241"}, "Your card number is invalid."),
        ({"cardNumber": ""}, "Your card number is incomplete."),
        ({"cardNumber": "4539578763621486"}, "use a test card"),
        ({"cardExpiry": "01 / 20"}, "expiration date is in the past"),
        ({"cardExpiry": "13 / 34"}, "expiration date is incomplete"),
        ({"cardExpiry": ""}, "expiration date is incomplete"),
        ({"cardCvc": "12"}, "security code is incomplete"),
        ({"billingName": " "}, "cardholder name is incomplete"),
    ],
)
def test_impossible_details_reach_no_bank(shop: Shop, client: Client, typed, words):
    session = shop.checkout()
    page = pay(session.url, **{"number": PAYS} if "cardNumber" not in typed else {}, **typed)
    assert page.status_code == 200
    assert words in page.text.replace("&#39;", "'")
    assert client.v1.events.list({"types": ["charge.failed", "charge.succeeded"]}).data == []


def test_a_buyer_without_a_customer_becomes_one(shop: Shop, client: Client):
    session = shop.checkout(customer=None)
    assert "email is incomplete" in pay(session.url).text
    assert pay(session.url, email="new@demo.test").status_code == 303
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer"]})
    assert done.customer.email == done.customer_details.email == "new@demo.test"


def test_the_page_teaches_stripe_what_the_shop_did_not_know(shop: Shop, client: Client):
    customer = client.v1.customers.create()
    session = shop.checkout(customer=customer.id, customer_update={"name": "auto"})
    assert pay(session.url, email="late@demo.test").status_code == 303
    learned = client.v1.customers.retrieve(customer.id)
    assert (learned.email, learned.name) == ("late@demo.test", "Ada Owner")


def test_a_deleted_customer_cannot_pay_any_more(shop: Shop, client: Client):
    session = shop.checkout()
    client.v1.customers.delete(shop.customer.id)
    assert "This page has expired" in pay(session.url).text
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"


def test_what_is_no_page_says_so(sandbox: SandboxServer):
    for path in ("/c/pay/cs_no", "/i/in_no", "/nothing"):
        answer = requests.get(sandbox.url + path, timeout=10)
        assert answer.status_code == 404
        assert "no real payment" in answer.text


def test_a_trial_takes_a_card_and_no_money(shop: Shop, client: Client, sandbox: SandboxServer):
    ends = sandbox.running.app.extensions["world"].clock.now() + 10 * DAY
    session = shop.checkout(subscription_data={"trial_end": ends})
    assert session.amount_total == 0
    # This card fails whenever it is charged, and nothing is charged today.
    assert pay(session.url, "4000000000000341").status_code == 303
    done = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription.latest_invoice"]}
    )
    assert done.payment_status == "no_payment_required"
    subscription = done.subscription
    assert (subscription.status, subscription.trial_end) == ("trialing", ends)
    assert subscription["items"].data[0].current_period_end == ends
    invoice = subscription.latest_invoice
    assert (invoice.status, invoice.amount_due, invoice.lines.data[0].amount) == ("paid", 0, 0)
    assert client.v1.invoice_payments.list({"invoice": invoice.id}).data == []
    types = [event.type for event in client.v1.events.list({"limit": 100}).data]
    assert "setup_intent.succeeded" in types
    assert "charge.succeeded" not in types


def test_the_bank_asks_first_and_the_answer_counts(shop: Shop, client: Client):
    session = shop.checkout()
    bank = pay(session.url, "4000002500003155")
    assert (bank.status_code, bank.headers["Location"]) == (303, f"/c/pay/{session.id}/bank")
    question = f"{session.url}/bank"
    assert "$10.00" in requests.get(question, timeout=10).text
    assert client.v1.subscriptions.list({"status": "all"}).data == []

    refused = requests.post(question, data={"answer": "refuse"}, timeout=10)
    assert "unable to authenticate" in refused.text
    # The card was asked about and refused: the old question is closed.
    closed = requests.post(question, data={"answer": "confirm"}, timeout=10)
    assert "Card number" in closed.text
    assert client.v1.subscriptions.list({"status": "all"}).data == []

    pay(session.url, "4000002760003184")
    paid = requests.post(question, data={"answer": "confirm"}, allow_redirects=False, timeout=10)
    assert paid.status_code == 303
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"
    again = requests.post(question, data={"answer": "confirm"}, timeout=10)
    assert "It was made once" in again.text


def test_twenty_posts_at_once_pay_once(shop: Shop, client: Client):
    session = shop.checkout()
    answers: list[requests.Response] = []
    barrier = threading.Barrier(20)

    def post() -> None:
        barrier.wait()
        answers.append(pay(session.url))

    threads = [threading.Thread(target=post) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 19 + [303]
    assert all("It was made once" in a.text for a in answers if a.status_code == 200)
    assert len(client.v1.invoices.list({"customer": shop.customer.id}).data) == 1
    assert len(client.v1.events.list({"type": "charge.succeeded"}).data) == 1


def test_an_expired_session_takes_no_money(
    shop: Shop, client: Client, sandbox_clock: SandboxClock, receiver: Receiver
):
    session = shop.checkout(expires_at=shop.customer.created + 3600)
    sandbox_clock.advance(hours=2)
    page = pay(session.url)
    assert page.status_code == 200
    assert "This page has expired" in page.text
    assert 'href="http://localhost:8000/cancelled/"' in page.text
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert client.v1.subscriptions.list({"status": "all"}).data == []
    [event] = client.v1.events.list({"type": "checkout.session.expired"}).data
    # Stamped with the instant at which it fell due, not with that at which somebody looked.
    assert event.created == session.expires_at
    until(lambda: "checkout.session.expired" in receiver.types)


def test_a_session_expires_without_anybody_asking(
    shop: Shop, sandbox_clock: SandboxClock, receiver: Receiver
):
    shop.checkout()
    sandbox_clock.advance(hours=25)
    until(lambda: "checkout.session.expired" in receiver.types)


def test_expiring_by_hand_closes_the_page(shop: Shop, client: Client):
    session = shop.checkout()
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    assert "This page has expired" in pay(session.url).text
    with pytest.raises(stripe.InvalidRequestError, match="Only Checkout Sessions with a status"):
        client.v1.checkout.sessions.expire(session.id)


def test_the_page_speaks_the_sessions_language(shop: Shop):
    german = shop.checkout(locale="de")
    page = requests.get(german.url, timeout=10).text
    assert "Kartennummer" in page
    assert "10,00\u00a0$" in page
    assert "Ihre Karte wurde abgelehnt." in pay(german.url, "4000000000000002").text
    any_language = shop.checkout()
    headers = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
    page = requests.get(any_language.url, headers=headers, timeout=10).text
    assert '<html lang="de">' in page


def test_sessions_are_listed_by_what_they_led_to(shop: Shop, client: Client):
    subscription = shop.subscribe()
    waiting = shop.checkout()
    found = client.v1.checkout.sessions.list({"subscription": subscription.id}).data
    assert [session.subscription for session in found] == [subscription.id]
    found = client.v1.checkout.sessions.list({"customer": shop.customer.id, "status": "open"}).data
    assert [session.id for session in found] == [waiting.id]
    items = client.v1.checkout.sessions.line_items.list(waiting.id, {"limit": 5}).data
    assert [item.description for item in items] == ["Premium Connectivity"]


def test_no_card_number_is_kept_anywhere(shop: Shop, sandbox: SandboxServer):
    session = shop.checkout()
    pay(session.url, "4000000000000002")
    pay(session.url)
    for path in sandbox.data_dir.parent.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"4242424242424242" not in content, path
            assert b"4000000000000002" not in content, path
            assert b"4242 4242 4242 4242" not in content, path
