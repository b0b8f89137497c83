"""Lists: cursors, filters, expansion."""

from tests.unit.sandbox.conftest import Client, SandboxClock, Shop


def test_a_cursor_walks_over_every_object_once(client: Client):
    made = [client.v1.customers.create({"name": str(number)}).id for number in range(25)]
    newest_first = list(reversed(made))

    first = client.v1.customers.list({"limit": 10})
    assert ([c.id for c in first.data], first.has_more) == (newest_first[:10], True)
    walked = [customer.id for customer in first.auto_paging_iter()]
    assert walked == newest_first

    second = client.v1.customers.list({"limit": 10, "starting_after": newest_first[9]})
    back = client.v1.customers.list({"limit": 10, "ending_before": second.data[0].id})
    assert ([c.id for c in back.data], back.has_more) == (newest_first[:10], False)
    middle = client.v1.customers.list({"limit": 3, "ending_before": newest_first[10]})
    assert ([c.id for c in middle.data], middle.has_more) == (newest_first[7:10], True)
    last = client.v1.customers.list({"limit": 10, "starting_after": newest_first[19]})
    assert ([c.id for c in last.data], last.has_more) == (newest_first[20:], False)


def test_a_list_filters_by_the_instant_of_making(client: Client, sandbox_clock: SandboxClock):
    early = client.v1.customers.create()
    sandbox_clock.advance(days=3)
    late = client.v1.customers.create()

    def found(**created: int) -> list[str]:
        return [c.id for c in client.v1.customers.list({"created": created}).data]

    assert found(gte=late.created) == [late.id]
    assert found(gt=late.created) == []
    assert found(lt=late.created) == [early.id]
    assert found(lte=late.created, gt=early.created) == [late.id]
    assert [c.id for c in client.v1.customers.list({"created": early.created}).data] == [early.id]


def test_customers_are_found_by_email(client: Client):
    one = client.v1.customers.create({"email": "one@demo.test"})
    client.v1.customers.create({"email": "two@demo.test"})
    assert [c.id for c in client.v1.customers.list({"email": "one@demo.test"}).data] == [one.id]


def test_prices_are_found_by_lookup_key_and_product(shop: Shop, client: Client):
    keyed = {
        "product": shop.product.id,
        "currency": "usd",
        "unit_amount": 10000,
        "recurring": {"interval": "year"},
        "lookup_key": "premium_yearly",
    }
    yearly = client.v1.prices.create(keyed)
    found = client.v1.prices.list({"lookup_keys": ["premium_yearly"], "expand": ["data.product"]})
    assert [(price.id, price.product.name) for price in found.data] == [
        (yearly.id, "Premium Connectivity")
    ]
    assert client.v1.prices.list({"lookup_keys": ["other"]}).data == []
    assert len(client.v1.prices.list({"product": shop.product.id, "active": True}).data) == 2
    assert client.v1.prices.list({"product": "prod_other"}).data == []


def test_a_lookup_key_moves_only_when_asked(shop: Shop, client: Client):
    keyed = {
        "product": shop.product.id,
        "currency": "usd",
        "unit_amount": 1100,
        "recurring": {"interval": "month"},
        "lookup_key": "premium_monthly",
    }
    old = client.v1.prices.create(keyed)
    new = client.v1.prices.create({**keyed, "transfer_lookup_key": True})
    assert client.v1.prices.retrieve(old.id).lookup_key is None
    assert client.v1.prices.retrieve(new.id).lookup_key == "premium_monthly"


def test_subscriptions_are_found_by_status_price_and_customer(shop: Shop, client: Client):
    live, ended = shop.subscribe(), shop.subscribe()
    client.v1.subscriptions.cancel(ended.id)

    def found(**filters: str) -> list[str]:
        return [s.id for s in client.v1.subscriptions.list(filters).data]

    assert found() == [live.id]
    assert found(status="all") == [ended.id, live.id]
    assert found(status="canceled") == found(status="ended") == [ended.id]
    assert found(status="active", price=shop.monthly.id) == [live.id]
    assert found(price="price_other") == found(customer="cus_other") == []


def test_expansion_reaches_through_lists(shop: Shop, client: Client):
    shop.subscribe()
    [invoice] = client.v1.invoices.list(
        {
            "expand": [
                "data.payments.data.payment.payment_intent",
                "data.parent.subscription_details.subscription",
                "data.customer",
            ]
        }
    ).data
    assert invoice.payments.data[0].payment.payment_intent.amount == 1000
    assert invoice.parent.subscription_details.subscription.status == "active"
    assert invoice.customer.email == "owner@demo.test"
    customer = client.v1.customers.retrieve(shop.customer.id, {"expand": ["subscriptions"]})
    assert len(customer.subscriptions.data) == 1


def test_events_are_found_by_type_and_delivery(shop: Shop, client: Client):
    found = client.v1.events.list({"type": "customer.*"}).data
    assert [event.type for event in found] == ["customer.created"]
    found = client.v1.events.list({"types": ["price.created", "product.created"]}).data
    assert [event.type for event in found] == ["price.created", "product.created"]
    again = client.v1.events.retrieve(found[0].id)
    assert again.data.object["id"] == shop.monthly.id
