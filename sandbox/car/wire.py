"""Carries a car's calls to the edge and its answers back; it must never know what they mean."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp

from sandbox.car.answers import Answer, Kind, SetbackError

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SECONDS = 10
_TIMEOUT = aiohttp.ClientTimeout(total=_SECONDS, connect=5)
_LARGEST_BODY = 1_000_000

Tally = Callable[[str, int | None, float], None]
Hear = Callable[[str, Answer], None]


def no_tally(call: str, status: int | None, seconds: float) -> None:
    """Counts nothing."""


def nobody(call: str, answer: Answer) -> None:
    """Listens to nothing."""


@contextlib.asynccontextmanager
async def dial(
    edge_url: str, *, connections: int, tally: Tally = no_tally, address: str | None = None
) -> AsyncIterator["Wire"]:
    """A wire to this edge with at most so many connections, shared by the cars of a process.

    With `address` it calls from this address of the machine.
    """
    connector = aiohttp.TCPConnector(
        limit=connections, keepalive_timeout=60, local_addr=(address, 0) if address else None
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=_TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "sandbox-car/1"},
    ) as client:
        yield Wire(client, f"{edge_url}/vehicle/v1", asyncio.Semaphore(connections), tally)


class Wire:
    """The calls of the contract. Each raises SetbackError where no answer came."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        base: str,
        lines: asyncio.Semaphore,
        tally: Tally,
        hear: Hear = nobody,
    ) -> None:
        self._client = client
        self._base = base
        self._lines = lines
        self._tally = tally
        self._hear = hear

    def overheard(self, hear: Hear) -> "Wire":
        """The same wire for one car; `hear` is told each answer that reaches the car."""
        return Wire(self._client, self._base, self._lines, self._tally, hear)

    async def token(self, assertion: str) -> Answer:
        """Asks for an access token for an assertion (RFC 7523)."""
        form = {"grant_type": GRANT_TYPE, "assertion": assertion}
        return await self._call("token", "POST", "/token", data=form)

    async def pairing(self, token: str) -> Answer:
        """Asks for a code that the owner can type in."""
        return await self._call("pairing", "POST", "/pairing", headers=_bearer(token))

    async def check(self, token: str, etag: str, wait: int = 0) -> Answer:
        """Asks what this car may do, if that differs from the document with this ETag.

        Until it does the edge may hold the request, for so many seconds at the most.
        """
        headers = _bearer(token)
        if etag:
            headers["If-None-Match"] = etag
        if not wait:
            return await self._call("check", "GET", "/entitlement", headers=headers)
        headers["Prefer"] = f"wait={wait}"
        patience = aiohttp.ClientTimeout(total=_SECONDS + wait, connect=5)
        return await self._call("wait", "GET", "/entitlement", headers=headers, timeout=patience)

    async def report(self, token: str, report: Mapping[str, Any]) -> Answer:
        """Says what this car did with a document."""
        headers = _bearer(token)
        return await self._call(
            "report", "PUT", "/entitlement/report", headers=headers, json=report
        )

    async def keys(self) -> Answer:
        """Asks for the keys under which leases are signed."""
        # A cache on the way may not have heard of a key that was removed.
        return await self._call("keys", "GET", "/keys", headers={"Cache-Control": "no-cache"})

    async def _call(self, call: str, method: str, path: str, **options: Any) -> Answer:
        # Waiting for one's turn on a shared line is not the edge's slowness: it is not counted.
        async with self._lines:
            started = time.perf_counter()
            try:
                answer = await self._exchange(method, path, options)
            except TimeoutError:
                self._tally(call, None, time.perf_counter() - started)
                raise SetbackError("The service did not answer in time.", Kind.SILENT) from None
            except (aiohttp.ClientError, OSError):
                self._tally(call, None, time.perf_counter() - started)
                raise SetbackError("The service cannot be reached.", Kind.SILENT) from None
            self._tally(call, answer.status, time.perf_counter() - started)
            self._hear(call, answer)
            return answer

    async def _exchange(self, method: str, path: str, options: dict[str, Any]) -> Answer:
        async with self._client.request(
            method, self._base + path, allow_redirects=False, **options
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await _body(response))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = await response.content.read(_LARGEST_BODY + 1)
    while len(body) <= _LARGEST_BODY and (more := await response.content.read(_LARGEST_BODY)):
        body += more
    if len(body) > _LARGEST_BODY:
        raise aiohttp.ClientPayloadError("the answer is too large for a car")
    return body


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
