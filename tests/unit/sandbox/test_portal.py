"""The customer portal: subscriptions end, stay and pause, cards change and pay what is open."""

from typing import Any

import pytest
import requests

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, SandboxClock, Shop
from tests.unit.sandbox.test_webhooks import control

FAILS_LATER = "4000 0000 0000 0341"
ASKS = "4000 0025 0000 3155"


def visit(client: Client, shop: Shop, **more: Any) -> Any:
    return client.v1.billing_portal.sessions.create(
        {"customer": shop.customer.id, "return_url": "https://demo.test/back/", **more}
    )


def press(session: Any, action: str, **form: str) -> requests.Response:
    return requests.post(f"{session.url}/{action}", data=form, allow_redirects=False, timeout=10)


def type_card(session: Any, number: str) -> requests.Response:
    return press(
        session,
        "card",
        cardNumber=number,
        cardExpiry="12 / 34",
        cardCvc="123",
        billingName="Ada Owner",
    )


def test_cancelling_sets_an_instant_and_not_the_flag(shop: Shop, client: Client):
    subscription = shop.subscribe()
    session = visit(client, shop)
    page = requests.get(session.url, timeout=10).text
    assert "Premium Connectivity" in page
    assert 'href="https://demo.test/back/"' in page
    assert "Sandbox – no real payment" in page
    assert press(session, "cancel", subscription=subscription.id).status_code == 303
    ends = client.v1.subscriptions.retrieve(subscription.id)
    assert ends.cancel_at == ends["items"].data[0].current_period_end
    assert (ends.cancel_at_period_end, ends.status) == (False, "active")
    assert "Ends on" in requests.get(session.url, timeout=10).text
    press(session, "keep", subscription=subscription.id)
    assert client.v1.subscriptions.retrieve(subscription.id).cancel_at is None


def test_the_flag_is_set_where_the_account_is_so(
    shop: Shop, client: Client, sandbox: SandboxServer
):
    control(sandbox, "settings", portal_cancel="flag")
    subscription = shop.subscribe()
    session = visit(client, shop)
    press(session, "cancel", subscription=subscription.id)
    assert client.v1.subscriptions.retrieve(subscription.id).cancel_at_period_end
    press(session, "keep", subscription=subscription.id)
    kept = client.v1.subscriptions.retrieve(subscription.id)
    assert (kept.cancel_at_period_end, kept.cancel_at) == (False, None)


def test_a_flow_shows_one_thing_and_returns(shop: Shop, client: Client):
    subscription = shop.subscribe()
    session = visit(
        client,
        shop,
        flow_data={
            "type": "subscription_cancel",
            "subscription_cancel": {"subscription": subscription.id},
            "after_completion": {
                "type": "redirect",
                "redirect": {"return_url": "https://demo.test/done/"},
            },
        },
    )
    page = requests.get(session.url, timeout=10).text
    assert "Cancel subscription" in page
    assert "Save card" not in page
    answer = press(session, "cancel", subscription=subscription.id)
    assert answer.headers["Location"] == "https://demo.test/done/"
    card = visit(client, shop, flow_data={"type": "payment_method_update"})
    page = requests.get(card.url, timeout=10).text
    assert "Save card" in page
    assert "Cancel subscription" not in page


def test_a_configuration_says_what_is_allowed(shop: Shop, client: Client):
    subscription = shop.subscribe()
    configuration = client.v1.billing_portal.configurations.create(
        {
            "features": {
                "subscription_cancel": {"enabled": False},
                "subscription_pause": {"enabled": True},
                "payment_method_update": {"enabled": False},
            }
        }
    )
    session = visit(client, shop, configuration=configuration.id)
    assert press(session, "cancel", subscription=subscription.id).status_code == 403
    assert type_card(session, "4242424242424242").status_code == 403
    assert client.v1.subscriptions.retrieve(subscription.id).cancel_at is None
    [listed] = client.v1.billing_portal.configurations.list({"is_default": False}).data
    assert listed.id == configuration.id
    press(session, "pause", subscription=subscription.id)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "paused"
    press(session, "resume", subscription=subscription.id)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_nobody_touches_another_customers_subscription(shop: Shop, client: Client):
    subscription = shop.subscribe()
    other = client.v1.customers.create({"email": "else@demo.test"})
    session = client.v1.billing_portal.sessions.create({"customer": other.id})
    assert press(session, "cancel", subscription=subscription.id).status_code == 403


def test_a_visit_ends(shop: Shop, client: Client, sandbox_clock: SandboxClock):
    session = visit(client, shop)
    sandbox_clock.advance(hours=1, minutes=1)
    assert requests.get(session.url, timeout=10).status_code == 410


@pytest.mark.parametrize("number", ["4242 4242 4242 4242", ASKS])
def test_a_new_card_pays_what_is_open(
    shop: Shop, client: Client, sandbox_clock: SandboxClock, number: str
):
    subscription = past_due(shop, client, sandbox_clock)
    session = visit(client, shop)
    answer = type_card(session, number)
    if number == ASKS:
        assert answer.headers["Location"].endswith("/bank")
        bank = requests.get(f"{session.url}/bank", timeout=10).text
        assert "may be kept" in bank
        press(session, "bank", answer="confirm")
    recovered = client.v1.subscriptions.retrieve(subscription.id)
    customer = client.v1.customers.retrieve(shop.customer.id)
    default = customer.invoice_settings.default_payment_method
    assert recovered.default_payment_method == default
    assert client.v1.payment_methods.retrieve(default).card.last4 == number[-4:]
    assert recovered.status == "active"
    assert client.v1.invoices.retrieve(recovered.latest_invoice).status == "paid"


def test_a_card_that_is_refused_changes_nothing(shop: Shop, client: Client):
    subscription = shop.subscribe()
    session = visit(client, shop)
    assert "declined" in type_card(session, "4000 0000 0000 0002").text
    type_card(session, ASKS)
    assert "unable to authenticate" in press(session, "bank", answer="refuse").text
    same = client.v1.subscriptions.retrieve(subscription.id)
    assert same.default_payment_method == subscription.default_payment_method


def past_due(shop: Shop, client: Client, sandbox_clock: SandboxClock) -> Any:
    """A subscription whose renewal was declined."""
    subscription = shop.subscribe()
    failing = client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": shop.customer.id}
    )
    client.v1.subscriptions.update(subscription.id, {"default_payment_method": failing.id})
    sandbox_clock.advance(days=31, hours=2)
    found = client.v1.subscriptions.retrieve(subscription.id)
    assert found.status == "past_due"
    return found
