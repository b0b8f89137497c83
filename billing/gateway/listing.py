"""Reads Stripe's lists page by page, the newest first, for whoever compares all of it with ours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from billing.gateway import client, values
from billing.gateway.values import Dispute, Session, Subscription

PER_PAGE = 100  # Stripe's limit
TYPES_AT_MOST = 20  # of events, in one question
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list; `cursor` leads to the next page, and is empty on the last."""

    items: list[T]
    cursor: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as Stripe lists it."""

    id: str
    created_at: datetime


def subscriptions(cursor: str) -> Page[Subscription]:
    """All subscriptions, ended ones too, each with its latest invoice alone."""
    expand = ["data.default_payment_method", "data.latest_invoice"]
    with client.speaking():
        found = client.api().v1.subscriptions.list(
            _params(cursor, {"status": "all", "expand": expand})
        )
        items = [values.subscription(one, _latest(one)) for one in found.data]
        return Page(items, _next(found))


def customers(cursor: str) -> Page[Customer]:
    """All customers that were not deleted."""
    with client.speaking():
        found = client.api().v1.customers.list(_params(cursor, {}))
        items = [Customer(one.id, datetime.fromtimestamp(one.created, UTC)) for one in found.data]
        return Page(items, _next(found))


def customer_exists(customer: str) -> bool:
    """Whether Stripe has this customer, and has not deleted it."""
    try:
        with client.speaking():
            return not getattr(client.api().v1.customers.retrieve(customer), "deleted", False)
    except client.StripeRefused as error:
        if error.code == client.GONE:
            return False
        raise


def sessions(cursor: str, *, since: datetime, until: datetime) -> Page[Session]:
    """The Checkout Sessions that were opened in [since, until]."""
    created = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
    with client.speaking():
        found = client.api().v1.checkout.sessions.list(_params(cursor, {"created": created}))
        return Page([values.session(one) for one in found.data], _next(found))


def disputes(cursor: str) -> Page[Dispute]:
    """All disputes."""
    with client.speaking():
        found = client.api().v1.disputes.list(_params(cursor, {}))
        return Page([values.dispute(one) for one in found.data], _next(found))


def events(
    cursor: str, *, types: Iterable[str], since: datetime, until: datetime
) -> Page[dict[str, Any]]:
    """The events of these types in [since, until), each as a webhook's body would hold it."""
    wanted = set(types)
    created = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
    params: dict[str, Any] = {"created": created}
    if len(wanted) <= TYPES_AT_MOST:
        params["types"] = sorted(wanted)
    with client.speaking():
        found = client.api().v1.events.list(_params(cursor, params))
        items = [one.to_dict(for_json=True) for one in found.data if one.type in wanted]
        return Page(items, _next(found))


def _params(cursor: str, params: dict[str, Any]) -> Any:
    return {"limit": PER_PAGE, **params, **({"starting_after": cursor} if cursor else {})}


def _next(found: Any) -> str:
    return str(found.data[-1].id) if found.data and found.has_more else ""


def _latest(subscription: Any) -> tuple[values.Invoice, ...]:
    latest = subscription.latest_invoice
    return (values.invoice(latest),) if latest and not isinstance(latest, str) else ()
