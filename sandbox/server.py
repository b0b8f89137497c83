"""Runs the sandbox's web application and its SMTP server in threads of this process."""

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator

import flask
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.app import create_app
from sandbox.config import Config
from sandbox.mail.smtp import SmtpServer


class _QuietHandler(WSGIRequestHandler):
    """Keeps connections open and logs no requests: they would bury what matters."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@dataclasses.dataclass(frozen=True)
class Running:
    """A sandbox that serves: its configuration with the ports that it got."""

    config: Config
    app: flask.Flask


@contextlib.contextmanager
def serving(config: Config, *, poll: float = 0.1) -> Iterator[Running]:
    """Serve until the block ends; a port 0 becomes one that the system chose.

    An end is noticed within `poll` seconds.

    Raises OSError if a port is taken.
    """
    with _bound(config.host, config.port) as web, _bound(config.host, config.smtp_port) as smtp:
        config = dataclasses.replace(
            config, port=web.getsockname()[1], smtp_port=smtp.getsockname()[1]
        )
        app = create_app(config)
        world, inbox = app.extensions["world"], app.extensions["inbox"]
        server = make_server(
            config.host,
            config.port,
            app,
            threaded=True,
            request_handler=_QuietHandler,
            fd=web.fileno(),
        )
        mail = SmtpServer(inbox, smtp)
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": poll}, name="sandbox-web"
        )
        mail.start()
        world.start()
        thread.start()
        try:
            yield Running(config, app)
        finally:
            world.stop()
            server.shutdown()
            thread.join()
            server.server_close()
            mail.stop()
            world.store.close()


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket, so that a taken port is known before anything else is done."""
    return socket.create_server((host, port))
