"""Receives mail by SMTP and puts it in the mailbox; nothing is ever sent on."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.mail.inbox import Inbox

_LARGEST_MAIL = 1_000_000


class _Handler:
    """What aiosmtpd calls when a mail has come in."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content or b""
        self._inbox.receive(
            content if isinstance(content, bytes) else content.encode(),
            sender=envelope.mail_from or "",
            recipients=list(envelope.rcpt_tos),
        )
        return "250 Kept in the sandbox's mailbox"


class SmtpServer(Controller):
    """Serves SMTP in a thread on a socket that already listens; refuses mails above a megabyte."""

    def __init__(self, inbox: Inbox, listening: socket.socket) -> None:
        host, port = listening.getsockname()[:2]
        self._listening = listening
        super().__init__(
            _Handler(inbox),
            hostname=host,
            port=port,
            data_size_limit=_LARGEST_MAIL,
            ident="sandbox",
        )

    def _create_server(self) -> Coroutine[Any, Any, asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._listening)
