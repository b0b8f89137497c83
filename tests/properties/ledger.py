"""Reads the sandbox's own objects: what Stripe knows, whether or not anybody was told."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.stripe.store import Transaction
from sandbox.stripe.world import World
from tests.properties.promises import Contract, Invoice, Line

BANK = {"needs_response": "holds", "under_review": "holds", "lost": "took"}
Body = dict[str, Any]


@dataclass(frozen=True)
class Charge:
    """A charge that was paid, and what of it went back."""

    id: str
    invoice: str
    amount: int
    refunded: int
    disputed: bool


@dataclass(frozen=True)
class Ledger:
    """All of it at one instant."""

    contracts: dict[str, Contract]
    pages: dict[str, str]  # the contract that a page made, by the page
    unpaid: set[str]  # the pages that stand open
    charges: list[Charge]
    disputes: dict[str, str]  # their status, by id
    customers: dict[str, str]  # of each contract
    next_charge: dict[str, datetime]  # when the period of each contract ends
    flagged: set[str]  # the contracts that end by the flag, and not at an instant


def read(world: World) -> Ledger:
    """Read it."""
    with world.store.reading() as tx:
        return _read(tx)


def _read(tx: Transaction) -> Ledger:
    kinds = ("subscription", "invoice", "charge", "dispute")
    found = {kind: tx.select(kind, tail="ORDER BY seq") for kind in kinds}
    paid_by = {
        each["payment"]["payment_intent"]: each["invoice"] for each in tx.select("invoice_payment")
    }
    back: dict[str, int] = defaultdict(int)
    for refund in tx.select("refund"):
        if refund["status"] != "failed":
            back[refund["charge"]] += refund["amount"]
    charges = [
        Charge(
            each["id"],
            paid_by.get(each["payment_intent"], ""),
            each["amount"],
            back[each["id"]],
            each["disputed"],
        )
        for each in found["charge"]
        if each["paid"]
    ]
    invoices = _invoices(found["invoice"], charges, found["dispute"])
    waiting = defaultdict(list)
    for item in tx.select("invoiceitem"):
        if item["invoice"] is None:
            waiting[item["parent"]["subscription_details"]["subscription"]].append(_line(item))
    return Ledger(
        contracts={
            each["id"]: _contract(each, invoices[each["id"]], waiting[each["id"]])
            for each in found["subscription"]
        },
        pages={
            each["id"]: each["subscription"]
            for each in tx.select("checkout.session")
            if each["subscription"]
        },
        unpaid={each["id"] for each in tx.select("checkout.session") if each["status"] == "open"},
        charges=charges,
        disputes={each["id"]: each["status"] for each in found["dispute"]},
        customers={each["id"]: each["customer"] for each in found["subscription"]},
        next_charge={each["id"]: _at(_end(each)) for each in found["subscription"]},
        flagged={each["id"] for each in found["subscription"] if each["cancel_at_period_end"]},
    )


def _invoices(
    bodies: list[Body], charges: list[Charge], disputes: list[Body]
) -> dict[str, list[Invoice]]:
    """The invoices of each contract."""
    bank = {each["charge"]: BANK.get(each["status"], "") for each in disputes}
    found: dict[str, list[Invoice]] = defaultdict(list)
    for body in bodies:
        mine = [charge for charge in charges if charge.invoice == body["id"]]
        invoice = Invoice(
            id=body["id"],
            made=_at(body["created"]),
            paid=body["status"] == "paid",
            waits=body["status"] == "open",
            money=sum(charge.amount for charge in mine),
            refunded=sum(charge.refunded for charge in mine),
            bank=max((bank.get(charge.id, "") for charge in mine), default=""),
            lines=[_line(line) for line in body["lines"]["data"]],
        )
        found[body["parent"]["subscription_details"]["subscription"]].append(invoice)
    return found


def _end(subscription: Body) -> int:
    ends: list[int] = [item["current_period_end"] for item in subscription["items"]["data"]]
    return max(ends)


def _line(body: Body) -> Line:
    return Line(body["amount"], _at(body["period"]["start"]), _at(body["period"]["end"]))


def _contract(body: Body, invoices: list[Invoice], waiting: list[Line]) -> Contract:
    return Contract(
        id=body["id"],
        status=body["status"],
        trial_end=_at(body["trial_end"]) if body["trial_end"] else None,
        ending=bool(body["cancel_at"] or body["cancel_at_period_end"]),
        ended=_at(body["ended_at"]) if body["ended_at"] else None,
        invoices=invoices,
        waiting=waiting,
    )


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
