"""Begins a resumption: what it bills, and what it waits for before the subscription goes on."""

from typing import Any

from sandbox.stripe.due import schedule
from sandbox.stripe.effects import collecting, invoicing, pausing, proration, standing
from sandbox.stripe.effects.collecting import Collected
from sandbox.stripe.effects.switching import make_invoice
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.objects.proration import invoice_item
from sandbox.stripe.store import Body, Transaction

# So long a resumption waits for its payment; then the subscription stays paused.
_WAITED_SECONDS = 23 * 3600


def begin(tx: Transaction, subscription: Body, given: dict[str, Any]) -> Collected:
    """Resume at once where nothing is to be paid, and otherwise wait for the payment.

    A trial that still runs goes on, and nothing is billed before it ends.
    """
    customer = tx.get("customer", subscription["customer"])
    status = standing.status_once_paid(tx, subscription)
    on_trial = status == "trialing"
    anew = not on_trial and given.get("billing_cycle_anchor", {"type": "now"})["type"] == "now"
    behavior = given.get("proration_behavior", "create_prorations")
    changes = pausing.going_on(tx, subscription, anew=anew)
    becomes = {**subscription, **changes}
    if not anew and not on_trial and behavior != "none":
        _bill_the_rest(tx, subscription, becomes, customer, given.get("proration_date", tx.now))
    private = tx.private(subscription["id"])
    private["resumption"] = {"changes": changes}
    tx.save_private(subscription["id"], private)
    lines = invoicing.period_lines(tx, becomes, at=tx.now, trial=False) if anew else []
    waiting = invoicing.pending_items(tx, subscription["id"])
    if not lines and not (waiting and behavior == "always_invoice"):
        pausing.resume(tx, subscription, status=status)
        return Collected()
    invoice = make_invoice(tx, customer, becomes, lines, reason="subscription_update")
    how = given.get("payment_behavior", "resume_on_payment_attempt")
    private["resumption"] |= {"invoice": invoice["id"], "on": how}
    tx.save_private(subscription["id"], private)
    previous = tx.change(subscription, latest_invoice=invoice["id"])
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    schedule(tx, pausing.EXPIRE, subscription["id"], due_at=tx.now + _WAITED_SECONDS)
    emit(tx, "invoice.created", invoice)
    return _collect(tx, invoice, attempts=how == "resume_on_payment_success")


def expire(tx: Transaction, subscription_id: str) -> None:
    """Nobody paid for the resumption in time."""
    resumption = tx.private(subscription_id).get("resumption", {})
    if "invoice" in resumption:
        invoice = tx.get("invoice", resumption["invoice"])
        if invoice["status"] in ("draft", "open"):
            invoicing.close(tx, invoice, "void")
            standing.given_up(tx, tx.get("subscription", subscription_id), invoice)


def _collect(tx: Transaction, invoice: Body, *, attempts: bool) -> Collected:
    collecting.open_invoice(tx, invoice)
    if invoice["status"] != "open":
        return Collected()
    tx.change(invoice, auto_advance=False)
    if not attempts:
        return Collected()
    return collecting.pay_invoice(tx, invoice, collecting.method_for(tx, invoice))


def _bill_the_rest(
    tx: Transaction, subscription: Body, becomes: Body, customer: Body, at: int
) -> None:
    """Charge the rest of a period that is not paid: a new one, or one that was given back."""
    credited = tx.private(subscription["id"]).get("credited", False)
    before = {item["id"]: item["current_period_end"] for item in subscription["items"]["data"]}
    for item in becomes["items"]["data"]:
        if credited or before[item["id"]] != item["current_period_end"]:
            for part in proration.debit(tx, item, at=at):
                tx.insert(invoice_item(tx, customer, part))
