"""Puts the world outside together in one web application: Stripe, the mailbox, the car's screen."""

import datetime as dt

import flask
from werkzeug.exceptions import HTTPException, SecurityError

from sandbox.car import screen
from sandbox.config import Config, refuse_danger
from sandbox.mail import pages as mail_pages
from sandbox.mail.inbox import Inbox
from sandbox.stripe import api, controls
from sandbox.stripe import pages as stripe_pages
from sandbox.stripe.objects.event import API_VERSION
from sandbox.stripe.webhooks import Send
from sandbox.stripe.words import ENGLISH
from sandbox.stripe.world import World

_LARGEST_REQUEST = 1_000_000
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app(config: Config, *, send: Send | None = None) -> flask.Flask:
    """The whole sandbox as one WSGI application; `send` delivers webhooks, if not by HTTP.

    `app.extensions` holds its `world` and `inbox`; who serves the app starts and stops the world.
    """
    refuse_danger(config)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    app = flask.Flask("sandbox")
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_REQUEST
    # A page of a stranger whose name now leads here may not read the mailbox.
    app.config["TRUSTED_HOSTS"] = ["localhost", "127.0.0.1", config.host]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    world = app.extensions["world"] = World(config, send)
    inbox = app.extensions["inbox"] = Inbox(config.data_dir / "mail.sqlite3", config.durable)
    app.register_blueprint(api.create_blueprint(world))
    app.register_blueprint(stripe_pages.create_blueprint(world))
    app.register_blueprint(controls.create_blueprint(world))
    app.register_blueprint(mail_pages.create_blueprint(inbox))
    app.register_blueprint(screen.create_blueprint(config.data_dir / "car"))
    app.add_url_rule("/", "front", lambda: _front(world))

    @app.errorhandler(HTTPException)
    def problem(error: HTTPException) -> tuple[str, int]:
        return flask.render_template("problem.html", problem=error), error.code or 500

    @app.errorhandler(SecurityError)
    def stranger(_error: SecurityError) -> tuple[str, int]:
        return f"The sandbox answers at {config.public_url} only.", 400

    @app.get("/livez")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    @app.after_request
    def secure(response: flask.Response) -> flask.Response:
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _front(world: World) -> str:
    waiting, newest = "json_extract(body, '$.status') = 'open'", "ORDER BY seq DESC LIMIT 10"
    with world.store.reading() as tx:
        return flask.render_template(
            "front.html",
            now=dt.datetime.fromtimestamp(tx.now, dt.UTC),
            version=API_VERSION,
            sessions=tx.select("checkout.session", waiting, tail=newest),
            invoices=tx.select("invoice", tail=newest),
            words=ENGLISH,
        )
