"""Decides, without any network, what a signed lease allows this car at an instant; it must never
know how the lease came, nor read a clock.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm
from jwt.types import Options

TYPE = "lease+jwt"
ALGORITHM = "EdDSA"
STANDARD = "standard"
_MAX_CHARACTERS = 64_000
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# The library would read the machine's clock; a car's time is another, so its claims are ours.
_ONLY_THE_SIGNATURE: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}

Keys = Mapping[str, Ed25519PublicKey]


class Reason(enum.StrEnum):
    """Why a lease was refused; the value is what the car reports."""

    MALFORMED = "lease_malformed"
    ALGORITHM = "lease_algorithm"
    TYPE = "lease_type"
    CRITICAL = "lease_critical_header"
    NO_KEY_ID = "lease_without_key_id"
    UNKNOWN_KEY = "lease_unknown_key"
    SIGNATURE = "lease_signature"
    CLAIMS = "lease_claims"
    OTHER_CAR = "lease_for_another_car"
    OTHER_ISSUER = "lease_of_another_issuer"
    NOT_YET = "lease_not_yet_valid"
    EXPIRED = "lease_expired"
    OLDER_VERSION = "lease_older_version"
    OLDER_CATALOG = "lease_older_catalog"
    OTHER_DOCUMENT = "lease_not_of_this_document"


class LeaseError(Exception):
    """This lease allows nothing; `reason` says which of its rules was broken."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True)
class Grant:
    """A plan's features over [starts_at, ends_at), Unix seconds; None is open."""

    plan: str
    features: tuple[str, ...]
    starts_at: float | None
    ends_at: float | None

    def covers(self, now: float) -> bool:
        """Whether the grant holds at this instant; its end is not part of it."""
        begun = self.starts_at is None or self.starts_at <= now
        return begun and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True)
class Verdict:
    """What the car may do now: a plan's name, feature codes in their first order, consents."""

    plan: str
    features: tuple[str, ...]
    consents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lease:
    """A lease whose signature and owner are right; whether it holds depends on the time."""

    kid: str
    issuer: str
    version: int
    catalog: int
    issued_at: float
    not_before: float
    expires_at: float
    grants: tuple[Grant, ...]
    consents: tuple[str, ...] = ()

    def check_time(self, now: float) -> None:
        """Raises LeaseError before `nbf` and from `exp` on.

        The edge's own `iat` counts as a time that has come: see Note [A car's time].
        """
        instant = max(now, self.issued_at)
        if instant < self.not_before:
            raise LeaseError(Reason.NOT_YET, f"it begins at {self.not_before:.0f}")
        if instant >= self.expires_at:
            raise LeaseError(Reason.EXPIRED, f"it ended at {self.expires_at:.0f}")

    def check_issuer(self, issuer: str) -> None:
        """Raises LeaseError if it is another's than that which the car was built to trust."""
        if self.issuer != issuer:
            raise LeaseError(Reason.OTHER_ISSUER, f"iss is {self.issuer}")

    def check_order(self, version: int, catalog: int) -> None:
        """Raises LeaseError if either number is lower than what the car already holds."""
        if self.version < version:
            raise LeaseError(Reason.OLDER_VERSION, f"{self.version} after {version}")
        if self.catalog < catalog:
            raise LeaseError(Reason.OLDER_CATALOG, f"{self.catalog} after {catalog}")

    def verdict(self, now: float) -> Verdict:
        """The union of the grants that hold now; the plan is the richest one's."""
        held = [grant for grant in self.grants if grant.covers(now)]
        if not held:
            return Verdict(STANDARD, (), self.consents)
        richest = max(held, key=lambda grant: len(grant.features))
        return Verdict(richest.plan, _union(grant.features for grant in held), self.consents)


def parse_keys(jwks: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWKS by `kid`; keys of other kinds are passed over (RFC 7517)."""
    listed = jwks.get("keys")
    keys: dict[str, Ed25519PublicKey] = {}
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or entry.get("kty") != "OKP":
            continue
        kid = entry.get("kid")
        if entry.get("crv") != "Ed25519" or not isinstance(kid, str) or "d" in entry:
            continue
        try:
            key = OKPAlgorithm.from_jwk(entry)
        except jwt.InvalidKeyError:
            continue
        if isinstance(key, Ed25519PublicKey):
            keys[kid] = key
    return keys


def read(token: str, *, keys: Keys, vin: str) -> Lease:
    """The lease in a compact JWS, once header, signature and owner are found right.

    Raises LeaseError with the first rule that is broken. Issuer, order and time are the caller's
    next questions.
    """
    kid = _key_id(token)
    if kid not in keys:
        raise LeaseError(Reason.UNKNOWN_KEY, f"kid {kid} is not in the published keys")
    try:
        claims = jwt.decode(
            token,
            keys[kid],
            algorithms=[ALGORITHM],
            options=_ONLY_THE_SIGNATURE,
        )
    except jwt.InvalidSignatureError:
        raise LeaseError(Reason.SIGNATURE, f"not signed by kid {kid}") from None
    except jwt.InvalidTokenError as error:
        raise LeaseError(Reason.MALFORMED, str(error)) from None
    if claims.get("sub") != vin:
        raise LeaseError(Reason.OTHER_CAR, f"it is for {claims.get('sub')}")
    return _lease(kid, claims)


def _key_id(token: str) -> str:
    if len(token) > _MAX_CHARACTERS:
        raise LeaseError(Reason.MALFORMED, f"{len(token)} characters")
    if not _COMPACT.fullmatch(token):
        # The library passes over letters that do not belong there.
        raise LeaseError(Reason.MALFORMED, "it is no compact JWS")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise LeaseError(Reason.MALFORMED, str(error)) from None
    if header.get("alg") != ALGORITHM:
        raise LeaseError(Reason.ALGORITHM, f"alg is {header.get('alg')}")
    if header.get("typ") != TYPE:
        raise LeaseError(Reason.TYPE, f"typ is {header.get('typ')}")
    if "crit" in header:
        raise LeaseError(Reason.CRITICAL, "crit names what this car does not know")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise LeaseError(Reason.NO_KEY_ID, "the header has no kid")
    return kid


def _lease(kid: str, claims: Mapping[str, Any]) -> Lease:
    try:
        lease = Lease(
            kid=kid,
            issuer=_name(claims["iss"]),
            version=_integer(claims["ver"]),
            catalog=_integer(claims["cat"]),
            issued_at=_integer(claims["iat"]),
            not_before=_integer(claims["nbf"]),
            expires_at=_integer(claims["exp"]),
            grants=tuple(_grant(entry) for entry in claims["grants"]),
            consents=_consents(claims.get("consents")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LeaseError(Reason.CLAIMS, repr(error)) from None
    if lease.expires_at <= max(lease.issued_at, lease.not_before):
        raise LeaseError(Reason.CLAIMS, "it ends before it begins")
    return lease


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a name")
    return value


def _grant(entry: Mapping[str, Any]) -> Grant:
    features = entry["features"]
    if not isinstance(features, list) or not all(isinstance(code, str) for code in features):
        raise ValueError("features is not a list of codes")
    return Grant(
        plan=_name(entry["plan"]),
        features=tuple(features),
        starts_at=_instant(entry["from"]),
        ends_at=_instant(entry["until"]),
    )


def _consents(value: object) -> tuple[str, ...]:
    """What is no list of codes consents to nothing, and is no reason to refuse the lease."""
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        return ()
    return tuple(value)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not an integer")
    return value


def _instant(value: object) -> float | None:
    """Unix seconds; None is open."""
    return None if value is None else float(_integer(value))


def _union(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for codes in lists for code in codes))
