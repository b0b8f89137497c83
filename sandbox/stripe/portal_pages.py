"""Serves the customer portal: subscriptions, the card that pays them, and open invoices."""

from typing import Any

import flask
from werkzeug.wrappers import Response

from sandbox.stripe import cardform, cards, clocks, operations
from sandbox.stripe.cards import NOT_AUTHENTICATED, Decline
from sandbox.stripe.effects import wallet
from sandbox.stripe.errors import DeclinedError, StripeError
from sandbox.stripe.lists import matching
from sandbox.stripe.objects.payment_method import payment_method
from sandbox.stripe.settings import setting
from sandbox.stripe.store import Body, Transaction
from sandbox.stripe.words import Words, words_for
from sandbox.stripe.world import World

Shown = Response | str | tuple[str, int]

# A visit ends an hour after the shop began it.
_OPEN_SECONDS = 3600
_ENDED = ("canceled", "incomplete_expired")
# Which feature of the configuration allows what a button does.
_FEATURES = {
    "cancel": "subscription_cancel",
    "keep": "subscription_cancel",
    "pause": "subscription_pause",
    "resume": "subscription_pause",
}


def add_to(blueprint: flask.Blueprint, world: World) -> None:
    """`/p/session/<session>` and what its buttons do."""
    desk, home = _PortalDesk(world), "/p/session/<session_id>"
    blueprint.add_url_rule(home, view_func=desk.portal)
    blueprint.add_url_rule(f"{home}/card", view_func=desk.take_card, methods=["POST"])
    blueprint.add_url_rule(f"{home}/bank", view_func=desk.ask_for_card)
    blueprint.add_url_rule(f"{home}/bank", view_func=desk.answer_for_card, methods=["POST"])
    blueprint.add_url_rule(f"{home}/<action>", view_func=desk.act, methods=["POST"])


class _PortalDesk:
    """The portal of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def portal(self, session_id: str) -> Shown:
        """All of it, or the one thing that the visit is for."""
        return self._page(self._session(session_id), {}, None)

    def act(self, session_id: str, action: str) -> Shown:
        """End, keep, pause or resume a subscription, as the configuration allows."""
        session = self._session(session_id)
        which = flask.request.form.get("subscription", "")
        try:
            problem = self._try(session, action, which)
        except StripeError as refused:
            problem = refused
        if problem is not None:
            return self._page(session, {}, ("number", self._words(session).bank(str(problem))))
        return flask.redirect(_after(session, action), code=303)

    def _try(self, session: Body, action: str, which: str) -> StripeError | None:
        """Do it; what a bank refuses stays written, and is the answer."""
        with self._world.store.writing() as tx:
            clocks.enter(tx, session["customer"])
            if not self._may(tx, session, action, which):
                flask.abort(403, "The portal's configuration does not allow that.")
            try:
                _do(tx, session, action, which)
            except DeclinedError as declined:
                return declined
        return None

    def take_card(self, session_id: str) -> Shown:
        """A new card pays from now on; what is open is tried with it at once."""
        session, form = self._session(session_id), cardform.typed()
        words = self._words(session)
        try:
            card = cardform.read(form, self._world.clock.now())
        except cards.CardRefusedError as refused:
            return self._page(session, form, (refused.field, words.bank(str(refused))))
        with self._world.store.writing() as tx:
            clocks.enter(tx, session["customer"])
            if not self._allows(tx, session, "payment_method_update"):
                flask.abort(403, "The portal's configuration does not allow that.")
            customer = tx.get("customer", session["customer"])
            made = payment_method(tx, card, name=form["billingName"], email=customer["email"])
            method = tx.insert(made, cards.kept_behaviour(card))
            asks = card.behaviour.authenticate
            tx.save_private(session_id, {"waiting_method": method["id"] if asks else None})
            if not asks and card.behaviour.decline is None:
                _use(tx, session, method)
        if asks:
            return flask.redirect(f"/p/session/{session_id}/bank", code=303)
        return self._leave(session, card.behaviour.decline, form)

    def ask_for_card(self, session_id: str) -> Shown:
        """The bank's question (3-D Secure) about a card that is only kept for now."""
        session = self._session(session_id)
        with self._world.store.reading() as tx:
            waits = tx.private(session_id).get("waiting_method")
        if not waits:
            return flask.redirect(f"/p/session/{session_id}", code=303)
        return flask.render_template("stripe/bank.html", amount=None, words=self._words(session))

    def answer_for_card(self, session_id: str) -> Shown:
        """Keep the card, or not."""
        session = self._session(session_id)
        confirmed = flask.request.form.get("answer") == "confirm"
        with self._world.store.writing() as tx:
            clocks.enter(tx, session["customer"])
            waiting = tx.private(session_id).get("waiting_method")
            tx.save_private(session_id, {})
            if waiting and confirmed:
                _use(tx, session, tx.get("payment_method", waiting))
        return self._leave(session, None if confirmed else NOT_AUTHENTICATED, {})

    def _leave(self, session: Body, decline: Decline | None, form: dict[str, str]) -> Shown:
        if decline is not None:
            message = self._words(session).bank(decline.message)
            return self._page(session, form, ("number", message))
        return flask.redirect(_after(session, "card"), code=303)

    def _session(self, session_id: str) -> Body:
        self._world.runner.catch_up()
        with self._world.store.reading() as tx:
            found = tx.record(session_id, "billing_portal.session")
            if found is None:
                flask.abort(404, "There is no such portal session in this sandbox.")
            customer = tx.get("customer", found.body["customer"])
            clocks.enter(tx, found.body["customer"])
            if found.body["created"] + _OPEN_SECONDS <= tx.now or customer.get("deleted"):
                flask.abort(410, "This visit to the portal is over. Go back and begin another.")
        return found.body

    def _allows(self, tx: Transaction, session: Body, feature: str) -> bool:
        chosen = tx.get("billing_portal.configuration", session["configuration"])
        return bool(chosen["features"][feature]["enabled"])

    def _may(self, tx: Transaction, session: Body, action: str, which: str) -> bool:
        found = tx.record(which, "subscription")
        return (
            action in _FEATURES
            and self._allows(tx, session, _FEATURES[action])
            and found is not None
            and found.body["customer"] == session["customer"]
        )

    def _page(self, session: Body, form: dict[str, str], refused: tuple[str, str] | None) -> str:
        of_customer = (matching("customer"), [session["customer"]])
        with self._world.store.reading() as tx:
            chosen = tx.get("billing_portal.configuration", session["configuration"])
            subscriptions = [
                each for each in tx.select("subscription", *of_customer) if _is_live(each)
            ]
            names = {
                item["price"]["product"]: tx.get("product", item["price"]["product"])["name"]
                for each in subscriptions
                for item in each["items"]["data"]
            }
            return flask.render_template(
                "stripe/portal.html",
                session=session,
                flow=(session["flow"] or {}).get("type"),
                only=_only(session),
                features=chosen["features"],
                business=chosen["business_profile"],
                back=session["return_url"] or chosen["default_return_url"],
                subscriptions=subscriptions,
                names=names,
                card=_card(tx, session["customer"], subscriptions),
                invoices=tx.select("invoice", *of_customer, tail="ORDER BY seq DESC LIMIT 20"),
                name=form.get("billingName", ""),
                refused=refused,
                words=self._words(session),
            )

    def _words(self, session: Body) -> Words:
        return words_for(session["locale"], flask.request.accept_languages)


def _is_live(subscription: Body) -> bool:
    return subscription["status"] not in _ENDED


def _only(session: Body) -> str | None:
    """The one subscription that the visit is about."""
    flow = session["flow"] or {}
    found = flow.get("subscription_cancel") or flow.get("subscription_pause") or {}
    return found.get("subscription")


def _after(session: Body, action: str) -> str:
    """Where the browser goes when a flow has done what it was for."""
    flow = session["flow"]
    done = {"payment_method_update": "card", "subscription_cancel": "cancel"}
    if (
        flow
        and flow["after_completion"]["type"] == "redirect"
        and action == done.get(flow["type"], "pause")
    ):
        return str(flow["after_completion"]["redirect"]["return_url"])
    return f"/p/session/{session['id']}"


def _do(tx: Transaction, session: Body, action: str, which: str) -> None:
    """The portal does what its customer could do by the API, and nothing else."""
    if action in ("pause", "resume"):
        _call(tx, "POST", f"/v1/subscriptions/{{id}}/{action}", which, {})
    elif action == "keep":
        by = "cancel_at" if setting(tx, "portal_cancel") == "at" else "cancel_at_period_end"
        _call(tx, "POST", "/v1/subscriptions/{id}", which, {by: "" if by == "cancel_at" else False})
    else:
        chosen = tx.get("billing_portal.configuration", session["configuration"])
        if chosen["features"]["subscription_cancel"]["mode"] == "immediately":
            _call(tx, "DELETE", "/v1/subscriptions/{id}", which, {})
        elif setting(tx, "portal_cancel") == "flag":
            _call(tx, "POST", "/v1/subscriptions/{id}", which, {"cancel_at_period_end": True})
        else:
            # Flexible billing: an instant is set, and the flag stays as it is.
            _call(tx, "POST", "/v1/subscriptions/{id}", which, {"cancel_at": "max_period_end"})


def _use(tx: Transaction, session: Body, method: Body) -> None:
    """The card pays everything of its customer from now on, beginning with what is open."""
    customer_id = session["customer"]
    wallet.attach(tx, method, customer_id)
    wallet.pay_by_default(tx, tx.get("customer", customer_id), method["id"])
    of_customer = (matching("customer"), [customer_id])
    for subscription in filter(_is_live, tx.select("subscription", *of_customer)):
        given = {"default_payment_method": method["id"]}
        _call(tx, "POST", "/v1/subscriptions/{id}", subscription["id"], given)
    for invoice in reversed(tx.select("invoice", *of_customer)):
        if invoice["status"] == "open":
            try:
                _call(tx, "POST", "/v1/invoices/{id}/pay", invoice["id"], {"off_session": True})
            except StripeError:
                # It stays open, and its page says so.
                continue


def _call(tx: Transaction, method: str, path: str, which: str, given: dict[str, Any]) -> None:
    for operation in operations.ALL:
        if (operation.method, operation.path) == (method, path):
            operation.run(tx, given, which)
            return
    raise StripeError(f"The sandbox does not serve {method} {path} yet.", status=501)


def _card(tx: Transaction, customer_id: str, subscriptions: list[Body]) -> Body | None:
    default = tx.get("customer", customer_id)["invoice_settings"]["default_payment_method"]
    own = [each["default_payment_method"] for each in subscriptions]
    method_id = next(filter(None, [default, *own]), None)
    return tx.get("payment_method", method_id)["card"] if method_id else None
