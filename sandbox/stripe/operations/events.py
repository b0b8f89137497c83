"""Events and the endpoints that hear them."""

from typing import Any

from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import one_of, page
from sandbox.stripe.objects.event import API_VERSION, webhook_endpoint
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import (
    CREATED,
    PAGE,
    boolean,
    choice,
    list_of,
    merged_metadata,
    metadata,
    text,
)
from sandbox.stripe.store import Body, Transaction, new_id

_UNDELIVERED = (
    "EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event = objects.id "
    "AND deliveries.state != 'delivered')"
)
# What a test clock brought about is as old as that clock says, which may be any age.
_RECENT = (
    "(json_extract(body, '$.created') > ? OR json_extract(private, '$.test_clock') IS NOT NULL)"
)
_KEPT_SECONDS = 30 * 86400


def list_events(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/events: those of the last 30 days."""
    wanted: list[tuple[str, list[Any]]] = [(_RECENT, [tx.wall - _KEPT_SECONDS])]
    if "type" in given and "types" in given:
        raise StripeError("You may only specify one of these parameters: type, types.")
    if "type" in given:
        pattern = given["type"].removesuffix("*") if given["type"].endswith(".*") else None
        wanted.append(
            ("substr(json_extract(body, '$.type'), 1, ?) = ?", [len(pattern), pattern])
            if pattern
            else ("json_extract(body, '$.type') = ?", [given["type"]])
        )
    if "types" in given:
        wanted.append((one_of("type", len(given["types"])), given["types"]))
    if "delivery_success" in given:
        wanted.append((f"NOT {_UNDELIVERED}" if given["delivery_success"] else _UNDELIVERED, []))
    return page(tx, "event", "/v1/events", given, *wanted)


def create_endpoint(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/webhook_endpoints: the only answer that shows the secret."""
    if not given["url"].startswith(("http://", "https://")):
        raise StripeError(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            code="url_invalid",
            param="url",
        )
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    secret = f"whsec_{new_id('x')[2:]}"
    endpoint = tx.insert(webhook_endpoint(tx, **given), {"secret": secret})
    return {**endpoint, "secret": secret}


def delete_endpoint(tx: Transaction, _: Given, which: str) -> Body:
    """DELETE /v1/webhook_endpoints/{id}: what it has not heard it never will."""
    tx.get("webhook_endpoint", which)
    remains = {"id": which, "object": "webhook_endpoint", "deleted": True}
    tx.delete(remains)
    tx.db.execute(
        "UPDATE deliveries SET state = 'failed' WHERE endpoint = ? AND state = 'pending'", (which,)
    )
    return remains


OPERATIONS = (
    Operation(
        "GET",
        "/v1/events",
        list_events,
        {
            **PAGE,
            "created": CREATED,
            "delivery_success": boolean,
            "type": text(),
            "types": list_of(text(), 20),
        },
    ),
    Operation("GET", "/v1/events/{id}", lambda tx, _, which: tx.get("event", which)),
    Operation(
        "POST",
        "/v1/webhook_endpoints",
        create_endpoint,
        {
            "api_version": choice(API_VERSION),
            "description": text(can_be_unset=True),
            "enabled_events": list_of(text(), 500),
            "metadata": metadata,
            "url": text(),
        },
        ("enabled_events", "url"),
    ),
    Operation(
        "GET",
        "/v1/webhook_endpoints",
        lambda tx, given, _: page(tx, "webhook_endpoint", "/v1/webhook_endpoints", given),
        PAGE,
    ),
    Operation("DELETE", "/v1/webhook_endpoints/{id}", delete_endpoint, expands=False),
)
