"""Collects an invoice: by itself when it is due, again when it failed, or because one asks to."""

import dataclasses

from sandbox.stripe import clocks
from sandbox.stripe.cards import NOT_AUTHENTICATED, Decline, behaviour_of
from sandbox.stripe.effects import charging, dunning, invoicing, standing
from sandbox.stripe.events import emit
from sandbox.stripe.objects.intent import payment_intent
from sandbox.stripe.objects.invoice import invoice_payment
from sandbox.stripe.store import Body, Transaction

NO_CARD = Decline("missing", "This customer has no attached payment source or default card.")

_DESCRIPTIONS = {"subscription_create": "Subscription creation"}


@dataclasses.dataclass(frozen=True)
class Collected:
    """What became of an attempt: paid, refused by the bank, or waiting for the cardholder."""

    decline: Decline | None = None
    authenticate: bool = False

    @property
    def paid(self) -> bool:
        """Whether the invoice is paid."""
        return self.decline is None and not self.authenticate


def open_invoice(tx: Transaction, invoice: Body) -> None:
    """Finalize a draft; one that asks for nothing is paid at once."""
    customer = tx.get("customer", invoice["customer"])
    invoicing.finalize(tx, invoice, customer, uses_balance=True)
    if invoice["amount_due"] > 0:
        intent_of(tx, invoice)
        return
    invoicing.settle(tx, invoice, None)
    _tell(tx, invoice, settled=True)


def pay_invoice(
    tx: Transaction,
    invoice: Body,
    method: Body | None,
    *,
    confirmed: bool | None = None,
    off_session: bool = True,
    automatic: bool = False,
) -> Collected:
    """Collect an open invoice from a stored card and have its subscription follow.

    `confirmed` is the cardholder's answer to the bank's question, None before it was asked.
    `off_session` says that nobody is there to answer: then asking counts as a failed attempt.
    `automatic` marks the attempts of the schedule, which alone make it go on.
    """
    clocks.enter(tx, invoice["id"])
    if method is None:
        return _refuse(tx, invoice, NO_CARD, automatic=automatic)
    intent = intent_of(tx, invoice)
    behaviour = behaviour_of(tx.private(method["id"]))
    if confirmed is None and behaviour.asks(off_session=off_session):
        return _ask(tx, invoice, intent, method, off_session=off_session, automatic=automatic)
    decline = NOT_AUTHENTICATED if confirmed is False else behaviour.charge_decline
    charging.attempt(tx, intent, method, decline)
    if decline is not None:
        return _refuse(tx, invoice, decline, automatic=automatic)
    invoicing.settle(tx, invoice, intent, counted=automatic or not invoice["attempt_count"])
    _tell(tx, invoice, settled=True)
    return Collected()


def await_payment(tx: Transaction, invoice: Body) -> None:
    """Try nothing: whoever made the invoice pays it, and until then the subscription owes."""
    tx.change(invoice, auto_advance=False)
    _tell(tx, invoice)


def collect(tx: Transaction, invoice: Body) -> Collected:
    """Collect it as time brings it, from the card that it is to be paid with."""
    return pay_invoice(tx, invoice, method_for(tx, invoice), automatic=True)


def retry(tx: Transaction, invoice_id: str) -> None:
    """The instant of a retry has come."""
    invoice = tx.get("invoice", invoice_id)
    if invoice["status"] == "open" and invoice["auto_advance"]:
        collect(tx, invoice)


def method_for(tx: Transaction, invoice: Body) -> Body | None:
    """The card that an invoice is to be paid with: the subscription's, or the customer's."""
    subscription_id = invoicing.subscription_of(invoice)
    own = None
    if subscription_id is not None:
        own = tx.get("subscription", subscription_id)["default_payment_method"]
    customer = tx.record(invoice["customer"], "customer")
    settings = customer.body.get("invoice_settings", {}) if customer else {}
    method_id = own or settings.get("default_payment_method")
    return tx.get("payment_method", method_id) if method_id else None


def waiting_method(tx: Transaction, invoice: Body) -> Body | None:
    """The card whose holder has a question of the bank's to answer, or None."""
    for payment in invoicing.payments_of(tx, invoice):
        intent = tx.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] == "requires_action":
            return tx.get("payment_method", intent["payment_method"])
    return None


def intent_of(tx: Transaction, invoice: Body) -> Body:
    """The invoice's payment intent: made when it is finalized, used by every attempt."""
    for payment in invoicing.payments_of(tx, invoice):
        return tx.get("payment_intent", payment["payment"]["payment_intent"])
    reason = invoice["billing_reason"]
    intent = payment_intent(
        tx,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=_DESCRIPTIONS.get(reason, "Subscription update"),
    )
    payment = invoice_payment(tx, invoice, intent["id"])
    payment.update(amount_paid=None, status="open")
    payment["status_transitions"] = {"canceled_at": None, "paid_at": None}
    tx.insert(payment)
    return tx.insert(intent)


def _ask(
    tx: Transaction,
    invoice: Body,
    intent: Body,
    method: Body,
    *,
    off_session: bool,
    automatic: bool,
) -> Collected:
    charging.ask(tx, intent, method, page=invoice["hosted_invoice_url"])
    if off_session:
        last = _count(tx, invoice, automatic=automatic)
        emit(tx, "invoice.payment_action_required", invoice)
        _tell(tx, invoice, last=last)
    return Collected(authenticate=True)


def _refuse(tx: Transaction, invoice: Body, decline: Decline, *, automatic: bool) -> Collected:
    last = _count(tx, invoice, automatic=automatic)
    emit(tx, "invoice.payment_failed", invoice)
    _tell(tx, invoice, last=last)
    return Collected(decline=decline)


def _count(tx: Transaction, invoice: Body, *, automatic: bool) -> bool:
    if not automatic and invoice["attempt_count"]:
        return False
    return dunning.count_attempt(tx, invoice, retried=_retried(tx, invoice))


def _retried(tx: Transaction, invoice: Body) -> bool:
    """First invoices and those that a change waits for are tried once: they lapse instead."""
    found = _subscription(tx, invoice)
    if found is None or found["status"] in ("canceled", "incomplete", "incomplete_expired"):
        return False
    return not standing.waits_for(tx, found, invoice)


def _tell(tx: Transaction, invoice: Body, *, settled: bool = False, last: bool = False) -> None:
    subscription = _subscription(tx, invoice)
    if subscription is None:
        return
    if settled:
        standing.settled(tx, subscription, invoice)
        return
    standing.refused(tx, subscription, invoice)
    if last:
        dunning.give_up(tx, subscription)


def _subscription(tx: Transaction, invoice: Body) -> Body | None:
    found = invoicing.subscription_of(invoice)
    return tx.get("subscription", found) if found else None
