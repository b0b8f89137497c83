"""Decides which key signs leases at an instant and which are published; by the clock alone.

It must never know where the schedule is kept, nor what is signed.

# Note [The life of a lease key]
A key is *next* from the moment an edge has its seed or the schedule names it, *current* from its
scheduled instant, and *previous* from the instant of its successor until the last lease under it
has expired. Seeds are secrets and come from the environment. The schedule is a row that each site
has a copy of, with the public halves: so every edge publishes the same keys whatever it has been
started with, and no order of deploying can void a lease. An edge without the current key's seed
goes on with the previous one for `SLACK`, because that one is published for as much longer; after
that it signs nothing, which is loud, rather than leases that other edges would void.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from nacl.signing import SigningKey

LIFETIME = 40 * 86_400  # seconds from the issue of a lease to its end
SLACK = 7 * 86_400  # seconds for which an edge may lack the seed of the current key


class NoKey(Exception):
    """No seed of this process may sign now."""


class Key(NamedTuple):
    """The public half of a key, and since when (or from when) it signs, in Unix seconds."""

    kid: str
    x: str
    since: int


class Schedule(NamedTuple):
    """The keys in the order in which they sign, those that were removed, and raised epochs.

    An empty one leaves the choice to the environment: its first key signs, all are published.
    """

    keys: tuple[Key, ...] = ()
    removed: frozenset[str] = frozenset()
    raised: int = 0

    def until(self, kid: str) -> int | None:
        """When a key of the schedule is published no more; None: no successor is known."""
        for key, successor in zip(self.keys, self.keys[1:], strict=False):
            if key.kid == kid:
                return successor.since + LIFETIME + SLACK
        return None

    def publishes(self, kid: str, now: int) -> bool:
        """Whether a key, of the schedule or of the environment, is for cars to see at `now`."""
        until = self.until(kid)
        return kid not in self.removed and (until is None or now < until)

    def content(self) -> dict[str, Any]:
        """The form in which it is kept, which `parse` reads."""
        return {
            "keys": [list(key) for key in self.keys],
            "removed": sorted(self.removed),
            "raised": self.raised,
        }


BY_ENVIRONMENT = Schedule()
_last: tuple[Schedule | None, int, Any, Any] = (None, 0, None, None)


def parse(content: Mapping[str, Any]) -> Schedule:
    """Read what `Schedule.content` wrote. Raises ValueError, TypeError, AttributeError."""
    keys = [(str(kid), str(x), int(since)) for kid, x, since in content.get("keys", ())]
    return Schedule(
        keys=tuple(Key(*each) for each in keys),
        removed=frozenset(map(str, content.get("removed", ()))),
        raised=int(content.get("raised", 0)),
    )


class Signer(NamedTuple):
    """Who signs: the secret key as libsodium takes it, its name, and in whose name it signs."""

    secret: bytes
    kid: str
    issuer: str


def signer(schedule: Schedule, *, now: int) -> Signer:
    """Return who signs at `now`.

    The last answer is remembered: all that is signed in one second asks for the same. Raises NoKey.
    """
    global _last
    given, last = settings.LEASE_SIGNING_KEYS, _last
    if last[0] is schedule and last[1] == now and last[2] is given:
        same: Signer = last[3]
        return same
    found = _signer(schedule, now)
    _last = (schedule, now, given, found)
    return found


def _signer(schedule: Schedule, now: int) -> Signer:
    ours = seeds()
    for kid in _preferred(schedule, ours, now):
        # A lease may not outlive the publication of its key: see Note [The life of a lease key].
        if kid in ours and schedule.publishes(kid, now + LIFETIME):
            secret = ours[kid].encode() + ours[kid].verify_key.encode()
            return Signer(secret, kid, settings.VEHICLE_AUDIENCE)
    raise NoKey("No key in LEASE_SIGNING_KEYS may sign leases now; see manage.py rotate_lease_keys")


def published(schedule: Schedule, *, now: int) -> dict[str, str]:
    """Return the public keys that cars may see at `now`, by name: the schedule's, then our own."""
    every = {key.kid: key.x for key in schedule.keys}
    every |= {kid: public(key) for kid, key in seeds().items() if kid not in every}
    return {kid: x for kid, x in every.items() if schedule.publishes(kid, now)}


def seeds() -> dict[str, SigningKey]:
    """Return the keys of this process's environment by name, newest first."""
    return _parsed(tuple(settings.LEASE_SIGNING_KEYS))


def public(key: SigningKey) -> str:
    """Return the public half as a JWK writes it."""
    return _encoded(key.verify_key.encode())


def jwk(x: str) -> dict[str, str]:
    """Return the members of a JWK that its thumbprint covers (RFC 7638, RFC 8037)."""
    return {"crv": "Ed25519", "kty": "OKP", "x": x}


def _preferred(schedule: Schedule, ours: Mapping[str, Any], now: int) -> Iterator[str]:
    yield from (key.kid for key in reversed(schedule.keys) if key.since <= now)
    yield from ours


@functools.cache
def _parsed(given: tuple[str, ...]) -> dict[str, SigningKey]:
    keys = [SigningKey(base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4))) for seed in given]
    return {_thumbprint(public(key)): key for key in keys}


def _thumbprint(x: str) -> str:
    canonical = json.dumps(jwk(x), separators=(",", ":"), sort_keys=True)
    return _encoded(hashlib.sha256(canonical.encode()).digest())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
