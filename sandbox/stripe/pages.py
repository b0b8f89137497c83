"""Serves the Checkout page that Stripe hosts: the card form, the code, the bank's question."""

import flask
from werkzeug.wrappers import Response

from sandbox.stripe import cardform, cards, invoice_pages, portal_pages
from sandbox.stripe.effects import checkout
from sandbox.stripe.effects.checkout import Buyer, Outcome
from sandbox.stripe.effects.discounting import CodeRefusedError
from sandbox.stripe.store import Body
from sandbox.stripe.words import Words, words_for
from sandbox.stripe.world import World


def create_blueprint(world: World) -> flask.Blueprint:
    """`/c/pay/<session>`, the bank's page below it, and the invoice's and the portal's pages."""
    blueprint = flask.Blueprint("stripe_pages", __name__)
    desk = _Desk(world)
    blueprint.add_url_rule("/c/pay/<session_id>", view_func=desk.show)
    blueprint.add_url_rule("/c/pay/<session_id>", view_func=desk.pay, methods=["POST"])
    blueprint.add_url_rule("/c/pay/<session_id>/code", view_func=desk.code, methods=["POST"])
    blueprint.add_url_rule("/c/pay/<session_id>/bank", view_func=desk.ask)
    blueprint.add_url_rule("/c/pay/<session_id>/bank", view_func=desk.answer, methods=["POST"])
    invoice_pages.add_to(blueprint, world)
    portal_pages.add_to(blueprint, world)
    return blueprint


class _Desk:
    """The pages of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def show(self, session_id: str) -> str | tuple[str, int]:
        """The card form, or why there is none any more."""
        return self._form(self._session(session_id), {}, None)

    def pay(self, session_id: str) -> Response | tuple[str, int] | str:
        """Take the card; leave for the shop, the bank's page, or the form with what was wrong."""
        session = self._session(session_id)
        typed = cardform.typed()
        words = _words(session)
        email = (session["customer_details"] or {}).get("email") or typed.get("email", "")
        try:
            card = cardform.read(typed, self._world.clock.now(), email=email)
        except cards.CardRefusedError as refused:
            return self._form(session, typed, (refused.field, words.bank(str(refused))))
        try:
            with self._world.store.writing() as tx:
                outcome = checkout.present(tx, session_id, card, Buyer(typed["billingName"], email))
        except checkout.ClosedError:
            return self._form(self._session(session_id), {}, None)
        except CodeRefusedError as refused:
            return self._without_code(session_id, typed, ("code", words(str(refused))))
        return self._leave(session_id, outcome, typed)

    def code(self, session_id: str) -> Response | tuple[str, int] | str:
        """Take a promotion code off, or no code any more, and show what is due now."""
        session = self._session(session_id)
        typed = flask.request.form.get("code", "").strip()
        try:
            with self._world.store.writing() as tx:
                checkout.use_code(tx, session_id, typed)
        except checkout.ClosedError:
            return self._form(session, {}, None)
        except CodeRefusedError as refused:
            return self._form(session, {"code": typed}, ("code", _words(session)(str(refused))))
        return flask.redirect(f"/c/pay/{session_id}", code=303)

    def _without_code(
        self, session_id: str, typed: dict[str, str], refused: tuple[str, str]
    ) -> str | tuple[str, int]:
        """The code died while the buyer typed: the full price is shown before it is charged."""
        with self._world.store.writing() as tx:
            checkout.use_code(tx, session_id, "")
        return self._form(self._session(session_id), typed, refused)

    def ask(self, session_id: str) -> str | tuple[str, int]:
        """The bank's question (3-D Secure)."""
        session = self._session(session_id)
        with self._world.store.reading() as tx:
            waits = tx.private(session_id).get("waiting_method")
        if session["status"] != "open" or not waits:
            return self._form(session, {}, None)
        return flask.render_template(
            "stripe/bank.html",
            amount=session["amount_total"],
            currency=session["currency"],
            words=_words(session),
        )

    def answer(self, session_id: str) -> Response | tuple[str, int] | str:
        """Go on with the card, or not."""
        self._session(session_id)
        confirmed = flask.request.form.get("answer") == "confirm"
        try:
            with self._world.store.writing() as tx:
                outcome = checkout.answer_bank(tx, session_id, confirmed=confirmed)
        except checkout.ClosedError:
            return self._form(self._session(session_id), {}, None)
        return self._leave(session_id, outcome, {})

    def _session(self, session_id: str) -> Body:
        self._world.runner.catch_up()
        with self._world.store.reading() as tx:
            found = tx.record(session_id, "checkout.session")
        if found is None:
            flask.abort(404, "There is no such Checkout Session in this sandbox.")
        return found.body

    def _leave(
        self, session_id: str, outcome: Outcome, typed: dict[str, str]
    ) -> Response | tuple[str, int] | str:
        if outcome.authenticate:
            return flask.redirect(f"/c/pay/{session_id}/bank", code=303)
        session = self._session(session_id)
        if outcome.decline is not None:
            message = _words(session).bank(outcome.decline.message)
            return self._form(session, typed, ("number", message))
        return flask.redirect(_success_url(session), code=303)

    def _code_of(self, session: Body) -> str | None:
        """The code that takes something off, as its seller wrote it."""
        with self._world.store.reading() as tx:
            for asked in session["discounts"]:
                if asked["promotion_code"]:
                    return str(tx.get("promotion_code", asked["promotion_code"])["code"])
        return None

    def _form(
        self, session: Body, typed: dict[str, str], refused: tuple[str, str] | None
    ) -> str | tuple[str, int]:
        words = _words(session)
        if session["status"] != "open":
            return flask.render_template(
                "stripe/closed.html",
                session=session,
                words=words,
                back=_success_url(session)
                if session["status"] == "complete"
                else session["cancel_url"],
            )
        with self._world.store.reading() as tx:
            private = tx.private(session["id"])
        return flask.render_template(
            "stripe/pay.html",
            session=session,
            items=private["line_items"],
            trial=private["subscription_data"],
            # Only what may stay on a page: never the card's number or code.
            name=typed.get("billingName", ""),
            email=typed.get("email", ""),
            code=self._code_of(session) or typed.get("code", ""),
            refused=refused,
            words=words,
        )


def _success_url(session: Body) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _words(session: Body) -> Words:
    return words_for(session["locale"], flask.request.accept_languages)
