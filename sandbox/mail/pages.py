"""Shows the mailbox: to people as a page, to programs as JSON."""

import flask

from sandbox.mail.inbox import Inbox

_SHOWN = 50


def create_blueprint(inbox: Inbox) -> flask.Blueprint:
    """`/mail/` and `/mail.json`."""
    blueprint = flask.Blueprint("mail", __name__)

    @blueprint.get("/mail/")
    def mailbox() -> str:
        to = flask.request.args.get("to")
        return flask.render_template(
            "mail/mailbox.html", mails=inbox.newest(to=to, limit=_SHOWN), to=to
        )

    @blueprint.get("/mail.json")
    def as_json() -> flask.Response:
        mails = inbox.newest(to=flask.request.args.get("to"))
        return flask.jsonify(
            [
                {"to": mail.to, "subject": mail.subject, "text": mail.text, "at": mail.at}
                for mail in mails
            ]
        )

    return blueprint
