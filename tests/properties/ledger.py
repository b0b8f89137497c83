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
    charges: list[Charge]
    disputes: dict[str, str]  # their status, by id
    customers: dict[str, str]  # of each contract


def read(world: World) -> Ledger:
    """Read it."""
    with world.store.reading() as tx:
        return _read(tx)


def _read(tx: Transaction) -> Ledger:
    found = {kind: tx.select(kind) for kind in ("subscription", "invoice", "charge", "dispute")}
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
    return Ledger(
        contracts={each["id"]: _contract(each, invoices) for each in found["subscription"]},
        pages={
            each["id"]: each["subscription"]
            for each in tx.select("checkout.session")
            if each["subscription"]
        },
        charges=charges,
        disputes={each["id"]: each["status"] for each in found["dispute"]},
        customers={each["id"]: each["customer"] for each in found["subscription"]},
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
            money=sum(charge.amount for charge in mine),
            refunded=sum(charge.refunded for charge in mine),
            bank=max((bank.get(charge.id, "") for charge in mine), default=""),
            lines=[
                Line(line["amount"], _at(line["period"]["start"]), _at(line["period"]["end"]))
                for line in body["lines"]["data"]
            ],
        )
        found[body["parent"]["subscription_details"]["subscription"]].append(invoice)
    return found


def _contract(body: Body, invoices: dict[str, list[Invoice]]) -> Contract:
    return Contract(
        id=body["id"],
        status=body["status"],
        trial_end=_at(body["trial_end"]) if body["trial_end"] else None,
        ending=bool(body["cancel_at"] or body["cancel_at_period_end"]),
        ended=_at(body["ended_at"]) if body["ended_at"] else None,
        invoices=invoices[body["id"]],
    )


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
