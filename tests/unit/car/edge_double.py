"""An edge for one car's tests: a real HTTP server that speaks the vehicle contract from memory."""

import asyncio
import base64
import contextlib
import email.utils
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

AUDIENCE = "premium-connectivity"
DAY = 86_400
PREMIUM = ["live_traffic", "satellite_maps", "video_streaming"]


class SigningKey:
    """A key for leases and its entry in a JWKS."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()

    @property
    def jwk(self) -> dict[str, str]:
        raw = self.private.public_key().public_bytes_raw()
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x, "use": "sig"}


def make_lease(key: SigningKey, vin: str, now: float, /, **changes: Any) -> str:
    """A lease as the edge signs it; `changes` replace claims, None removes one."""
    headers = {"typ": "lease+jwt", "kid": key.kid} | changes.pop("headers", {})
    claims: dict[str, Any] = {
        "iss": "premium-connectivity",
        "sub": vin,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + 40 * DAY,
        "ver": 1,
        "cat": 1,
        "consents": [],
        "grants": [],
    }
    claims |= changes
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, key.private, algorithm="EdDSA", headers=headers)


def premium_grant(starts_at: float, ends_at: float | None) -> dict[str, Any]:
    """A grant of Premium as a lease carries it."""
    return {
        "plan": "premium",
        "features": PREMIUM,
        "from": int(starts_at),
        "until": None if ends_at is None else int(ends_at),
    }


class EdgeDouble:
    """What one car meets: change its attributes to change its mind; `calls` says what was asked."""

    def __init__(self, vin: str) -> None:
        self.vin = vin
        self.public_key: Any = None  # Any key is welcome until one is set.
        self.skew = 0  # Seconds that this edge's clock is ahead of the machine's.
        self.signing = SigningKey("k1")
        self.published = [self.signing]
        self.version, self.catalog = 1, 1
        self.grants: list[dict[str, Any]] = []
        self.lease_changes: dict[str, Any] = {}
        self.poll_after = "30"
        self.tokens: set[str] = set()
        self.used_jtis: set[str] = set()
        self.asking: set[str] = set()  # The VINs in the assertions so far.
        self.reports: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.conditions: list[str | None] = []
        self.meanwhile: dict[str, Callable[[], None]] = {}  # What happens during a call.
        self.refusals: dict[str, list[web.Response]] = {}
        self.holds = False
        self.released = asyncio.Event()  # Lets the requests go that are held.
        self.waits: list[str | None] = []
        self.url = ""

    def now(self) -> float:
        return time.time() + self.skew

    def give_premium(self, until: float | None = None) -> None:
        """What a payment does: one version more, and a grant."""
        self.version += 1
        self.grants = [premium_grant(self.now() - 60, until)]

    def refuse(self, call: str, status: int, *, times: int = 1, **headers: str) -> None:
        """The next answers to a call have this status."""
        problem = {"type": "about:blank", "title": "Refused", "detail": f"Not now ({call}).",
                   "status": status}  # fmt: skip
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for _ in range(times):
            answer = web.json_response(
                problem, status=status, headers=named, content_type="application/problem+json"
            )
            self.refusals.setdefault(call, []).append(answer)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._gate])
        base = "/vehicle/v1"
        app.router.add_post(f"{base}/token", self._token, name="token")
        app.router.add_post(f"{base}/pairing", self._pairing, name="pairing")
        app.router.add_get(f"{base}/entitlement", self._check, name="check", allow_head=False)
        app.router.add_put(f"{base}/entitlement/report", self._report, name="report")
        app.router.add_get(f"{base}/keys", self._keys, name="keys", allow_head=False)
        return app

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        call = request.match_info.route.name or "?"
        self.calls.append(call)
        self.meanwhile.get(call, lambda: None)()
        waiting = self.refusals.get(call)
        if waiting:
            answer: web.StreamResponse = waiting.pop(0)
        elif call not in ("token", "keys") and self._bearer(request) not in self.tokens:
            answer = web.json_response({"title": "Token not valid"}, status=401)
        else:
            answer = await handler(request)
        answer.headers["Date"] = email.utils.formatdate(self.now(), usegmt=True)
        return answer

    @staticmethod
    def _bearer(request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assertion = str(form["assertion"])
        claims = jwt.decode(assertion, options={"verify_signature": False})
        signed = self.public_key is None or _is_signed(assertion, self.public_key)
        good = (
            signed
            and claims["iss"] == claims["sub"] == self.vin
            and claims["aud"] == AUDIENCE
            and 0 < claims["exp"] - claims["iat"] <= 300
            and claims["iat"] - 300 <= self.now() <= claims["exp"] + 300
            and claims["jti"] not in self.used_jtis
        )
        self.used_jtis.add(claims["jti"])
        self.asking.add(claims["sub"])
        if not good:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = f"token-{len(self.used_jtis)}"
        self.tokens.add(token)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": DAY}
        return web.json_response(body)

    async def _pairing(self, _request: web.Request) -> web.Response:
        return web.json_response({"user_code": "WDJB-MJHT", "expires_in": 900})

    async def _check(self, request: web.Request) -> web.Response:
        condition = request.headers.get("If-None-Match")
        self.conditions.append(condition)
        etag = f'"{self.version}.{self.catalog}.0.0"'
        headers = {"ETag": etag, "Poll-After": self.poll_after}
        if condition == etag:
            self.waits.append(request.headers.get("Prefer"))
            if self.holds and self.waits[-1]:
                headers["Preference-Applied"] = self.waits[-1]
                await asyncio.wait_for(self.released.wait(), 10)
            return web.Response(status=304, headers=headers)
        claims = {"ver": self.version, "cat": self.catalog, "grants": self.grants}
        lease = make_lease(self.signing, self.vin, self.now(), **(claims | self.lease_changes))
        document = {
            "vehicle": "0192", "vin": self.vin, "version": self.version, "catalog": self.catalog,
            "plan": "premium" if self.grants else "standard", "consents": [],
            "features": [code for grant in self.grants for code in grant["features"]],
            "reason": "subscription", "valid_until": None, "lease": lease, "new_member": 1,
        }  # fmt: skip
        return web.json_response(document, headers=headers)

    async def _report(self, request: web.Request) -> web.Response:
        self.reports.append(await request.json())
        return web.Response(status=204)

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [key.jwk for key in self.published]})


def _is_signed(assertion: str, key: Any) -> bool:
    try:
        jwt.decode(
            assertion, key, algorithms=["EdDSA"], audience=AUDIENCE,
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )  # fmt: skip
    except jwt.InvalidSignatureError:
        return False
    return True


@contextlib.asynccontextmanager
async def serving(edge: EdgeDouble) -> AsyncIterator[EdgeDouble]:
    """The double on a free port of this machine."""
    runner = web.AppRunner(edge.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    edge.url = f"http://{host}:{port}"
    try:
        yield edge
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def serving_in_thread(edge: EdgeDouble) -> Iterator[EdgeDouble]:
    """The same beside a synchronous test, for cars in processes of their own."""
    loop = asyncio.new_event_loop()
    stop, ready = asyncio.Event(), threading.Event()

    async def serve() -> None:
        async with serving(edge):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield edge
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
