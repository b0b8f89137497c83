"""What paying on the Checkout page does: one session pays once, ever, or not at all."""

import dataclasses
from typing import Any

from sandbox.stripe import clocks
from sandbox.stripe.cards import NOT_AUTHENTICATED, Card, Decline, kept_behaviour
from sandbox.stripe.due import schedule, unschedule
from sandbox.stripe.effects import charging, cycle, discounting, invoicing, pricing
from sandbox.stripe.effects.periods import next_boundary
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.objects import subscription as shapes
from sandbox.stripe.objects.customer import customer as new_customer
from sandbox.stripe.objects.intent import payment_intent, setup_intent
from sandbox.stripe.objects.payment_method import payment_method
from sandbox.stripe.objects.session import customer_details
from sandbox.stripe.store import Body, Transaction

EXPIRE = "checkout.expire"


class ClosedError(Exception):
    """The session takes no payment: it is complete or expired."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of an attempt: paid, refused by the bank, or waiting for the bank's question."""

    decline: Decline | None = None
    authenticate: bool = False


@dataclasses.dataclass(frozen=True)
class Buyer:
    """What the buyer typed in beside the card."""

    name: str
    email: str


def open_session(
    tx: Transaction, session: Body, line_items: list[Body], given: dict[str, Any]
) -> Body:
    """Store a new session, with what the request said of its subscription and customer."""
    private = {
        "line_items": line_items,
        "subscription_data": given.get("subscription_data", {}),
        "customer_update": given.get("customer_update", {}),
    }
    tx.insert(session, private)
    pricing.take_off(tx, session, given.get("discounts", []))
    schedule(tx, EXPIRE, session["id"], due_at=session["expires_at"])
    return session


def expire_all_of(tx: Transaction, customer_id: str) -> None:
    """Close what a customer who is gone might still have paid."""
    conditions = "json_extract(body, '$.customer') = ? AND json_extract(body, '$.status') = 'open'"
    for session in tx.select("checkout.session", conditions, [customer_id]):
        expire(tx, session["id"])


def expire(tx: Transaction, session_id: str) -> None:
    """Close a session that nobody paid; one that is closed already stays as it is."""
    session = tx.get("checkout.session", session_id)
    unschedule(tx, EXPIRE, session_id)
    if session["status"] == "open":
        tx.change(session, status="expired", url=None)
        emit(tx, "checkout.session.expired", session)


def present(tx: Transaction, session_id: str, card: Card, buyer: Buyer) -> Outcome:
    """Pay with a card that was just typed in; raises ClosedError."""
    session = _payable(tx, session_id)
    pricing.check_again(tx, session)
    method = payment_method(tx, card, name=buyer.name, email=buyer.email)
    tx.insert(method, kept_behaviour(card))
    behaviour = card.behaviour
    private = tx.private(session_id)
    private["buyer"] = dataclasses.asdict(buyer)
    private["waiting_method"] = method["id"] if behaviour.authenticate else None
    tx.save_private(session_id, private)
    if behaviour.authenticate:
        return Outcome(authenticate=True)
    # A card that only fails when it is charged is as good as any other where a trial begins.
    decline = behaviour.decline or (behaviour.charge_decline if session["amount_total"] else None)
    return _conclude(tx, session, method, decline)


def answer_bank(tx: Transaction, session_id: str, *, confirmed: bool) -> Outcome:
    """The buyer's answer on the bank's page to the card that waits; raises ClosedError."""
    session = _payable(tx, session_id)
    private = tx.private(session_id)
    waiting = private.get("waiting_method")
    if waiting is None:
        raise ClosedError
    private["waiting_method"] = None
    tx.save_private(session_id, private)
    return _conclude(
        tx, session, tx.get("payment_method", waiting), None if confirmed else NOT_AUTHENTICATED
    )


def use_code(tx: Transaction, session_id: str, typed: str) -> None:
    """Take a promotion code off, or with an empty one go back to the full price.

    Raises ClosedError, and CodeRefusedError with what the page says.
    """
    session = _payable(tx, session_id)
    if not session["allow_promotion_codes"]:
        raise ClosedError
    pricing.use_code(tx, session, typed)


def _payable(tx: Transaction, session_id: str) -> Body:
    session = tx.get("checkout.session", session_id)
    clocks.enter(tx, session["customer"])
    if session["status"] != "open" or session["expires_at"] <= tx.now:
        raise ClosedError
    return session


def _conclude(tx: Transaction, session: Body, method: Body, decline: Decline | None) -> Outcome:
    intent = _intent(tx, session) if session["amount_total"] else None
    if decline is not None:
        if intent is not None:
            charging.attempt(tx, intent, method, decline)
        return Outcome(decline=decline)
    customer = _customer(tx, session)
    tx.change(method, customer=customer["id"])
    emit(tx, "payment_method.attached", method)
    if intent is not None:
        tx.change(intent, customer=customer["id"])
        charging.attempt(tx, intent, method, None)
    else:
        setup = setup_intent(tx, customer=customer["id"], method=method["id"])
        emit(tx, "setup_intent.succeeded", tx.insert(setup))
    subscription, invoice = _subscribe(tx, session, customer, method, intent)
    _complete(tx, session, customer, subscription, invoice)
    return Outcome()


def _intent(tx: Transaction, session: Body) -> Body:
    """The session's payment intent: made at the first attempt, used by every later one."""
    private = tx.private(session["id"])
    if private.get("payment_intent"):
        intent = tx.get("payment_intent", private["payment_intent"])
        # A code that was typed in after a refusal has changed the amount.
        tx.change(intent, amount=session["amount_total"])
        return intent
    intent = payment_intent(
        tx,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        description="Subscription creation",
    )
    tx.save_private(session["id"], private | {"payment_intent": intent["id"]})
    return tx.insert(intent)


def _customer(tx: Transaction, session: Body) -> Body:
    private = tx.private(session["id"])
    buyer = private["buyer"]
    if session["customer"]:
        customer = tx.get("customer", session["customer"], param="customer")
        learned = {} if customer["email"] else {"email": buyer["email"]}
        if private["customer_update"].get("name") == "auto":
            learned["name"] = buyer["name"]
        emit_update(tx, "customer.updated", customer, tx.change(customer, **learned))
        return customer
    made = tx.insert(new_customer(tx, name=buyer["name"], email=buyer["email"]))
    emit(tx, "customer.created", made)
    return made


def _subscribe(
    tx: Transaction, session: Body, customer: Body, method: Body, intent: Body | None
) -> tuple[Body, Body]:
    private = tx.private(session["id"])
    data = private["subscription_data"]
    trial_end = data.get("trial_end") or (
        tx.now + 86400 * data["trial_period_days"] if "trial_period_days" in data else None
    )
    subscription = shapes.subscription(
        tx,
        customer=customer["id"],
        currency=session["currency"],
        method=method["id"],
        trial_end=trial_end,
        data=data,
    )
    subscription["automatic_tax"] = pricing.automatic_tax(session)
    subscription["discounts"] = discounting.grant(
        tx, subscription, pricing.asked_of(session), session=session["id"]
    )
    subscription["items"]["data"] = [
        _subscribed(tx, subscription, sold, trial_end) for sold in private["line_items"]
    ]
    invoice = invoicing.draft(
        tx, customer, subscription, reason="subscription_create", trial=trial_end is not None
    )
    subscription["latest_invoice"] = invoice["id"]
    emit(tx, "customer.subscription.created", tx.insert(subscription))
    schedule_turn(tx, subscription)
    if trial_end is not None:
        cycle.schedule_warning(tx, subscription)
    emit(tx, "invoice.created", invoice)
    invoicing.finalize(tx, invoice, customer)
    invoicing.settle(tx, invoice, intent)
    return subscription, invoice


def _subscribed(tx: Transaction, subscription: Body, sold: Body, trial_end: int | None) -> Body:
    ends = trial_end or next_boundary(tx.now, sold["price"]["recurring"], tx.now)
    return shapes.subscription_item(
        tx,
        subscription_id=subscription["id"],
        price=sold["price"],
        quantity=sold["quantity"],
        period=(tx.now, ends),
    )


def _complete(
    tx: Transaction, session: Body, customer: Body, subscription: Body, invoice: Body
) -> None:
    buyer = tx.private(session["id"])["buyer"]
    unschedule(tx, EXPIRE, session["id"])
    tx.change(
        session,
        customer=customer["id"],
        customer_details=customer_details(customer, buyer["email"], buyer["name"]),
        invoice=invoice["id"],
        payment_status="paid" if session["amount_total"] else "no_payment_required",
        status="complete",
        subscription=subscription["id"],
        url=None,
    )
    emit(tx, "checkout.session.completed", session)
