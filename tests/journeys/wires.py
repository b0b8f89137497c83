"""The two wires between the product and its Stripe, without sockets: calls out, webhooks in.

It must never know what is said on them. What a call meets (a fault that cuts the line, an answer)
is what it would meet over HTTP.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import flask
import stripe
from django.test import Client
from requests.structures import CaseInsensitiveDict


class _Line:
    """Stands for the server's socket, which the sandbox closes to cut a call off."""

    cut = False

    def shutdown(self, _how: int) -> None:
        """Close it."""
        self.cut = True


class InProcess(stripe.HTTPClient):
    """The SDK's HTTP, answered by a sandbox in this process; it never waits between two tries."""

    name = "in-process"

    def __init__(self, app: flask.Flask) -> None:
        super().__init__()
        self._client = app.test_client(use_cookies=False)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Call the sandbox; raises what the SDK raises when there is no answer."""
        line, parts = _Line(), urlsplit(url)
        answer = self._client.open(
            parts.path,
            method=method.upper(),
            query_string=parts.query,
            headers=dict(headers or {}),
            data=post_data,
            environ_overrides={"werkzeug.socket": line},
        )
        if line.cut:
            raise stripe.APIConnectionError("The connection was cut.", should_retry=True)
        text = answer.get_data(as_text=True)
        return text, answer.status_code, CaseInsensitiveDict(answer.headers)

    def close(self) -> None:
        """Nothing is open."""

    def _sleep_time_seconds(self, _num_retries: int) -> float:
        return 0


@contextlib.contextmanager
def remembered_reads() -> Iterator[None]:
    """Answer what was read before from memory, while nothing changes at Stripe."""
    answers: dict[str, Any] = {}
    asked = InProcess.request

    def request(wire: InProcess, method: str, url: str, *given: Any, **named: Any) -> Any:
        if method.upper() != "GET":
            return asked(wire, method, url, *given, **named)
        if url not in answers:
            answers[url] = asked(wire, method, url, *given, **named)
        return answers[url]

    with mock.patch.object(InProcess, "request", request):
        yield


def post_webhook(url: str, body: str, signed: str) -> int:
    """Hand an event to the product's own webhook view, as Stripe would; return its status."""
    answer = Client().post(
        urlsplit(url).path,
        body,
        content_type="application/json; charset=utf-8",
        headers={"Stripe-Signature": signed},
    )
    return answer.status_code
