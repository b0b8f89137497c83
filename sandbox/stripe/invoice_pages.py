"""Serves the hosted invoice: to read, to print as a PDF, and to pay while it is open."""

import flask
from werkzeug.wrappers import Response

from sandbox.stripe import cardform, cards, clocks
from sandbox.stripe.effects import collecting, invoicing, wallet
from sandbox.stripe.effects.collecting import Collected
from sandbox.stripe.objects.payment_method import payment_method
from sandbox.stripe.pdf import document
from sandbox.stripe.store import Body, Transaction
from sandbox.stripe.words import Words, words_for
from sandbox.stripe.world import World

Shown = Response | str | tuple[str, int]


def add_to(blueprint: flask.Blueprint, world: World) -> None:
    """`/i/<invoice>`, the bank's page below it, and its PDF."""
    desk = _InvoiceDesk(world)
    blueprint.add_url_rule("/i/<invoice_id>", view_func=desk.invoice)
    blueprint.add_url_rule("/i/<invoice_id>", view_func=desk.pay_invoice, methods=["POST"])
    blueprint.add_url_rule("/i/<invoice_id>/bank", view_func=desk.ask_for_invoice)
    blueprint.add_url_rule(
        "/i/<invoice_id>/bank", view_func=desk.answer_for_invoice, methods=["POST"]
    )
    blueprint.add_url_rule("/i/<invoice_id>/pdf", view_func=desk.pdf)


class _InvoiceDesk:
    """The invoices of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def invoice(self, invoice_id: str) -> Shown:
        """An invoice to read or print, with a card form while it is open."""
        return self._page(self._invoice(invoice_id), {}, None)

    def pay_invoice(self, invoice_id: str) -> Shown:
        """Pay it with a card that was typed in."""
        invoice, form = self._invoice(invoice_id), cardform.typed()
        try:
            card = cardform.read(form, self._world.clock.now())
        except cards.CardRefusedError as refused:
            return self._page(invoice, form, (refused.field, _words().bank(str(refused))))
        with self._world.store.writing() as tx:
            clocks.enter(tx, invoice_id)
            invoice = tx.get("invoice", invoice_id)
            if invoice["status"] != "open":
                return self._page(invoice, {}, None)
            made = payment_method(
                tx, card, name=form["billingName"], email=invoice["customer_email"]
            )
            method = tx.insert(made, cards.kept_behaviour(card))
            collected = collecting.pay_invoice(tx, invoice, method, off_session=False)
            if collected.paid:
                _keep(tx, invoice, method)
        return self._leave(invoice_id, collected, form)

    def ask_for_invoice(self, invoice_id: str) -> Shown:
        """The bank's question (3-D Secure)."""
        invoice = self._invoice(invoice_id)
        with self._world.store.reading() as tx:
            waits = collecting.waiting_method(tx, invoice)
        if invoice["status"] != "open" or waits is None:
            return flask.redirect(f"/i/{invoice_id}", code=303)
        return flask.render_template(
            "stripe/bank.html",
            amount=invoice["amount_remaining"],
            currency=invoice["currency"],
            words=_words(),
        )

    def answer_for_invoice(self, invoice_id: str) -> Shown:
        """Go on with the card, or not."""
        confirmed = flask.request.form.get("answer") == "confirm"
        self._invoice(invoice_id)
        with self._world.store.writing() as tx:
            invoice = tx.get("invoice", invoice_id)
            method = collecting.waiting_method(tx, invoice)
            if invoice["status"] != "open" or method is None:
                return flask.redirect(f"/i/{invoice_id}", code=303)
            collected = collecting.pay_invoice(
                tx, invoice, method, confirmed=confirmed, off_session=False
            )
            if collected.paid:
                _keep(tx, invoice, method)
        return self._leave(invoice_id, collected, {})

    def pdf(self, invoice_id: str) -> Response:
        """The invoice as a file."""
        invoice = self._invoice(invoice_id)
        words, refunded = _words(), self._refunded(invoice)
        return flask.Response(
            document(_rows(invoice, refunded, words)),
            mimetype="application/pdf",
            headers={
                "Content-Disposition": f'inline; filename="invoice-{invoice["number"]}.pdf"',
                "Cache-Control": "no-store",
            },
        )

    def _invoice(self, invoice_id: str) -> Body:
        self._world.runner.catch_up()
        with self._world.store.reading() as tx:
            found = tx.record(invoice_id, "invoice")
        if found is None:
            flask.abort(404, "There is no such invoice in this sandbox.")
        return found.body

    def _leave(self, invoice_id: str, collected: Collected, form: dict[str, str]) -> Shown:
        if collected.authenticate:
            return flask.redirect(f"/i/{invoice_id}/bank", code=303)
        if collected.decline is None:
            return flask.redirect(f"/i/{invoice_id}", code=303)
        message = _words().bank(collected.decline.message)
        return self._page(self._invoice(invoice_id), form, ("number", message))

    def _page(self, invoice: Body, form: dict[str, str], refused: tuple[str, str] | None) -> str:
        with self._world.store.reading() as tx:
            waits = invoice["status"] == "open" and collecting.waiting_method(tx, invoice)
        return flask.render_template(
            "stripe/invoice.html",
            invoice=invoice,
            discount=sum(taken["amount"] for taken in invoice["total_discount_amounts"]),
            tax=sum(tax["amount"] for tax in invoice["total_taxes"]),
            taxed=_taxed(invoice),
            refunded=self._refunded(invoice),
            waits=bool(waits),
            name=form.get("billingName", ""),
            refused=refused,
            words=_words(),
        )

    def _refunded(self, invoice: Body) -> int:
        with self._world.store.reading() as tx:
            intents = [
                tx.get("payment_intent", paid["payment"]["payment_intent"])
                for paid in invoicing.payments_of(tx, invoice)
            ]
            charges = [intent["latest_charge"] for intent in intents if intent["latest_charge"]]
            return sum(tx.get("charge", charge)["amount_refunded"] for charge in charges)


def _keep(tx: Transaction, invoice: Body, method: Body) -> None:
    """A card that paid is its customer's, unless there is no such customer any more."""
    customer = tx.record(invoice["customer"], "customer")
    if customer is not None and not customer.body.get("deleted"):
        wallet.attach(tx, tx.get("payment_method", method["id"]), invoice["customer"])


def _rows(invoice: Body, refunded: int, words: Words) -> list[tuple[str, str]]:
    """The PDF's lines: a text, and an amount or nothing."""

    def money(amount: int) -> str:
        return words.money(amount, invoice["currency"])

    rows = [
        (f"{words('Invoice')} {invoice['number'] or ''}", words(invoice["status"])),
        (f"{invoice['account_name']}, {words.date(invoice['created'])}", ""),
        (invoice["customer_name"] or "", ""),
        (invoice["customer_email"] or "", ""),
        ("", ""),
    ]
    for line in invoice["lines"]["data"]:
        period = line["period"]
        rows.append((line["description"], money(line["amount"])))
        rows.append((f"   {words.date(period['start'])} – {words.date(period['end'])}", ""))
    rows += [("", ""), (words("Subtotal"), money(invoice["subtotal"]))]
    off = sum(taken["amount"] for taken in invoice["total_discount_amounts"])
    tax = sum(tax["amount"] for tax in invoice["total_taxes"])
    if off:
        rows.append((words("Discount"), money(-off)))
    if tax:
        rows.append((words(_taxed(invoice)), money(tax)))
    rows.append((words("Total"), money(invoice["total"])))
    rows.append((words("Paid"), money(invoice["amount_paid"])))
    if refunded:
        rows.append((words("Refunded"), money(refunded)))
    if invoice["amount_remaining"]:
        rows.append((words("Due"), money(invoice["amount_remaining"])))
    return rows


def _taxed(invoice: Body) -> str:
    """What the line of the tax is called."""
    behaviors = {tax["tax_behavior"] for tax in invoice["total_taxes"]}
    return "Tax included" if behaviors == {"inclusive"} else "Tax"


def _words() -> Words:
    return words_for(None, flask.request.accept_languages)
