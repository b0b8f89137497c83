"""Makes docs/vectors/leases.json: leases, good and bad, and what a car is to make of each.

`python -m tests.data.lease_vectors` writes the file anew. It knows neither the product nor the
sandbox: each lease is put together by hand, under fixed keys, so that it comes out the same.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE = Path(__file__).parents[2] / "docs" / "vectors" / "leases.json"
NOW = 1_795_335_600  # 22 November 2026, 08:20 UTC
DAY = 86_400
EXP = NOW + 40 * DAY
VIN = "5YJ3E1EA0KF000316"
ISSUER = "premium-connectivity"
FEATURES = ["live_traffic", "satellite_maps", "video_streaming"]
LEARNING = ["fleet_learning"]
ABOUT = "Lease vectors; docs/cars.md says how to read them. Times are Unix seconds."
# The order of Ed25519's group: a signature with S + ORDER is as right, and is not to be taken.
ORDER = 2**252 + 27742317777372353535851937790883648493


class Key:
    """A signing key from a word, and its place in a JWKS."""

    def __init__(self, word: str) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(
            hashlib.sha256(f"lease vectors: {word}".encode()).digest()
        )
        self.raw = self.private.public_key().public_bytes_raw()
        self.x = encoded(self.raw)
        thumb = {"crv": "Ed25519", "kty": "OKP", "x": self.x}
        self.kid = encoded(hashlib.sha256(compact(thumb)).digest())
        self.jwk = {**thumb, "kid": self.kid, "use": "sig"}


def encoded(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(value: Any) -> bytes:
    """JSON without blanks, its members as they stand."""
    return json.dumps(value, separators=(",", ":")).encode()


PREVIOUS, CURRENT, NEXT = Key("previous"), Key("current"), Key("next")
REMOVED, STRANGER = Key("removed"), Key("stranger")
JWKS = {"keys": [key.jwk for key in (PREVIOUS, CURRENT, NEXT)]}
HEADER: dict[str, Any] = {"alg": "EdDSA", "kid": CURRENT.kid, "typ": "lease+jwt"}


def premium(start: int = NOW - 60, end: int | None = None, *features: str) -> dict[str, Any]:
    """A grant of Premium."""
    codes = list(features) or FEATURES
    return {"plan": "premium", "features": codes, "from": start, "until": end}


def claims(**changed: Any) -> dict[str, Any]:
    """The claims of the good lease; what is `...` is left out."""
    all_ = {
        "iss": ISSUER,
        "sub": VIN,
        "iat": NOW,
        "nbf": NOW,
        "exp": EXP,
        "ver": 18,
        "cat": 3,
        "consents": [],
        "grants": [premium()],
    }
    return {name: value for name, value in (all_ | changed).items() if value is not ...}


def signed(said: Any, header: Mapping[str, Any] = HEADER, key: Key = CURRENT) -> str:
    """A compact JWS."""
    text = f"{encoded(compact(header))}.{encoded(compact(said))}"
    return f"{text}.{encoded(key.private.sign(text.encode()))}"


def lease(**changed: Any) -> str:
    """The good lease with other claims."""
    return signed(claims(**changed))


def under(key: Key, **header: Any) -> str:
    """The good lease by another key."""
    return signed(claims(), {**HEADER, "kid": key.kid, **header}, key)


def headed(**header: Any) -> str:
    """The good lease with another header, signed as it stands; what is `...` is left out."""
    given = {name: value for name, value in (HEADER | header).items() if value is not ...}
    return signed(claims(), given)


def by_hmac() -> str:
    """The classic forgery: the public key, which all know, as the secret of HS256."""
    text = f"{encoded(compact({**HEADER, 'alg': 'HS256'}))}.{encoded(compact(claims()))}"
    return f"{text}.{encoded(hmac.digest(CURRENT.raw, text.encode(), 'sha256'))}"


def with_parts(change: Any) -> str:
    """The good lease, taken apart, changed and put together again."""
    return ".".join(change(*lease().split(".")))


def other_claims(head: str, _: str, signature: str) -> tuple[str, ...]:
    """Ten years more than was signed."""
    return head, encoded(compact(claims(exp=EXP + 3650 * DAY))), signature


def malleable(head: str, body: str, signature: str) -> tuple[str, ...]:
    """The other form of the same signature, which RFC 8032 forbids."""
    raw = base64.urlsafe_b64decode(signature + "==")
    larger = int.from_bytes(raw[32:], "little") + ORDER
    return head, body, encoded(raw[:32] + larger.to_bytes(32, "little"))


def flipped(head: str, body: str, signature: str) -> tuple[str, ...]:
    """One bit of the signature is another."""
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    return head, body, encoded(bytes(raw))


def car(**changed: int) -> dict[str, int]:
    """What the car holds, and how it knows the time."""
    return {"version": 17, "catalog": 3, "clock": NOW + 10, "floor": NOW - 3600, "uptime": 5} | (
        changed
    )


def time_of(of: Mapping[str, int]) -> int:
    """A car's time: its clock, but never before the floor, which its uptime advances."""
    return max(of["clock"], of["floor"] + of["uptime"])


Vector = dict[str, Any]


def _vector(name: str, says: str, of: Mapping[str, int], **rest: Any) -> Vector:
    return {"name": name, "says": says, "car": {"vin": VIN, "issuer": ISSUER, **of}, **rest}


def adopts(name: str, says: str, token: str, *features: str, **how: Any) -> Vector:
    """A document that the car is to take, and what it may do then."""
    of = car(
        **{k: v for k, v in how.items() if k not in ("version_", "catalog_", "time", "consents")}
    )
    offered = {
        "version": how.get("version_", 18),
        "catalog": how.get("catalog_", 3),
        "lease": token,
    }
    expected = {
        "outcome": "adopt",
        "time": how.get("time", time_of(of)),
        "plan": "premium" if features else "standard",
        "features": list(features),
        "consents": how.get("consents", []),
    }
    return _vector(name, says, of, offered=offered, expected=expected)


def refuses(name: str, says: str, token: str, reason: str, **how: int) -> Vector:
    """A document that the car is not to take, and what it reports; it keeps what it has."""
    of = car(**{k: v for k, v in how.items() if k not in ("version_", "catalog_")})
    offered = {
        "version": how.get("version_", 18),
        "catalog": how.get("catalog_", 3),
        "lease": token,
    }
    expected = {"outcome": "refuse", "time": time_of(of), "reason": f"lease_{reason}"}
    return _vector(name, says, of, offered=offered, expected=expected)


def outdated(name: str, says: str, version: int, catalog: int, **how: int) -> Vector:
    """An older document: the car keeps what it has and reports nothing."""
    of, token = car(**how), lease(ver=version, cat=catalog)
    return _vector(
        name,
        says,
        of,
        offered={"version": version, "catalog": catalog, "lease": token},
        expected={"outcome": "outdated", "time": time_of(of)},
    )


def keeps(name: str, says: str, token: str, *features: str, **how: Any) -> Vector:
    """A lease in storage, and what the car may do by it without any network."""
    consents = how.pop("consents", [])
    of = car(version=18, **how)
    plan = "premium" if features else "standard"
    may = {"plan": plan, "features": list(features), "consents": consents}
    expected = {"outcome": "holds", "time": time_of(of), **may}
    return _vector(name, says, of, kept=token, expected=expected)


def void(name: str, says: str, token: str, reason: str, **how: int) -> Vector:
    """A lease in storage that allows nothing: the car is a Standard one."""
    of = car(**{"version": 18, **how})
    expected = {"outcome": "void", "time": time_of(of), "reason": f"lease_{reason}"}
    return _vector(name, says, of, kept=token, expected=expected)


def _good() -> Iterator[Vector]:
    yield adopts("good", "A good lease.", lease(), *FEATURES)
    yield adopts("good_renewed", "The same version and catalogue, a newer lease.",
                 lease(ver=17), *FEATURES, version_=17)  # fmt: skip
    yield adopts("good_new_car", "A car that holds nothing yet.",
                 lease(), *FEATURES, version=0, catalog=0, floor=0, uptime=3)  # fmt: skip
    yield adopts("good_previous_key", "Keys stay published until their last lease has expired.",
                 under(PREVIOUS), *FEATURES)  # fmt: skip
    yield adopts("good_next_key", "The next key is published long before it signs.",
                 under(NEXT), *FEATURES)  # fmt: skip
    yield adopts("good_unknown_members", "What a car does not know is no reason to refuse.",
                 lease(novelty=1, grants=[premium(NOW - 60, None, "teleport") | {"x": 1}]),
                 "teleport")  # fmt: skip
    yield adopts("good_last_second", "`exp` itself is the first second without it.",
                 lease(), *FEATURES, clock=EXP - 1)  # fmt: skip
    yield adopts("good_higher_catalogue", "A new catalogue alone.",
                 lease(ver=17, cat=4), *FEATURES, version_=17, catalog_=4)  # fmt: skip
    yield adopts("good_standard", "No grant: a good lease that allows nothing.", lease(grants=[]))
    yield adopts("good_before_the_grant", "A grant that begins in the future is in the lease.",
                 lease(grants=[premium(NOW + 11)]))  # fmt: skip
    yield adopts("good_union", "The union of the grants that hold, each code once, in order.",
                 lease(grants=[premium(NOW - 9, NOW + 99, "karaoke", "live_traffic"),
                               premium(NOW - 60, NOW + 5, "browser"), premium()]),
                 "karaoke", *FEATURES)  # fmt: skip
    yield adopts("good_consent", "The owner consents to fleet learning.",
                 lease(consents=LEARNING), *FEATURES, consents=LEARNING)  # fmt: skip
    yield adopts("good_consent_standard", "A consent needs no plan.",
                 lease(grants=[], consents=LEARNING), consents=LEARNING)  # fmt: skip
    yield adopts("good_consents_unreadable", "What is no list of codes consents to nothing.",
                 lease(consents="fleet_learning"), *FEATURES)  # fmt: skip
    yield adopts("good_consents_missing", "Nor does silence.",
                 lease(consents=...), *FEATURES)  # fmt: skip
    yield adopts("good_clock_in_1970", "A new car without a clock takes `iat` for a time that "
                 "has come.", lease(), *FEATURES, clock=7, floor=0, time=NOW)  # fmt: skip
    yield adopts("good_clock_set_back", "The floor is the time.", lease(), *FEATURES,
                 clock=NOW - 90 * DAY, floor=NOW - 20, uptime=50)  # fmt: skip


def _header() -> Iterator[Vector]:
    none = f"{encoded(compact({**HEADER, 'alg': 'none'}))}.{encoded(compact(claims()))}."
    yield refuses("alg_none", "No signature at all.", none, "algorithm")
    yield refuses("alg_none_signed", "`none` with a good signature.", headed(alg="none"),
                  "algorithm")  # fmt: skip
    yield refuses("alg_hs256", "HMAC with the public key as its secret.", by_hmac(), "algorithm")
    yield refuses("alg_es256", "Another algorithm.", headed(alg="ES256"), "algorithm")
    yield refuses("alg_lower_case", "`eddsa` is no algorithm.", headed(alg="eddsa"), "algorithm")
    yield refuses("alg_missing", "No algorithm.", headed(alg=...), "algorithm")
    yield refuses("wrong_typ", "Another kind of JWT under the same key.", headed(typ="JWT"),
                  "type")  # fmt: skip
    yield refuses("typ_missing", "No type.", headed(typ=...), "type")
    yield refuses("critical_header", "`crit` names what a car does not know.",
                  headed(crit=["b64"], b64=True), "critical_header")  # fmt: skip
    yield refuses("missing_kid", "No key is named.", headed(kid=...), "without_key_id")
    yield refuses("unknown_key", "A key that was never published.", under(STRANGER), "unknown_key")
    yield refuses("unknown_key_that_comes_along", "A key in the header proves nothing.",
                  under(STRANGER, jwk=STRANGER.jwk), "unknown_key")  # fmt: skip
    yield refuses("removed_key", "A key that was published once and has been removed.",
                  under(REMOVED), "unknown_key")  # fmt: skip


def _signature() -> Iterator[Vector]:
    yield refuses("tampered", "Claims that were not signed.", with_parts(other_claims),
                  "signature")  # fmt: skip
    yield refuses("tampered_signature", "One bit is another.", with_parts(flipped), "signature")
    yield refuses("tampered_key_id", "Signed by another key than the one it names.",
                  signed(claims(), HEADER, NEXT), "signature")  # fmt: skip
    yield refuses("signature_malleable", "S is not less than the order of the group.",
                  with_parts(malleable), "signature")  # fmt: skip
    yield refuses("signature_missing", "An empty third part.",
                  with_parts(lambda head, body, _: (head, body, "")), "signature")  # fmt: skip
    yield refuses("signature_short", "63 bytes.",
                  with_parts(lambda head, body, s: (head, body, s[:84])), "signature")  # fmt: skip


def _form() -> Iterator[Vector]:
    yield refuses("two_parts", "Not a compact JWS.",
                  with_parts(lambda head, body, _: (head, body)), "malformed")  # fmt: skip
    yield refuses("four_parts", "Not a compact JWS.",
                  with_parts(lambda *parts: (*parts, parts[2])), "malformed")  # fmt: skip
    yield refuses("padded", "Base64url comes without padding here.", lease() + "==", "malformed")
    yield refuses("not_base64url", "A letter that is none.", lease()[:-4] + "!" + lease()[-4:],
                  "malformed")  # fmt: skip
    yield refuses("not_json", "The header is no JSON.",
                  with_parts(lambda _, body, s: (encoded(b"alg: EdDSA"), body, s)),
                  "malformed")  # fmt: skip
    yield refuses("claims_not_an_object", "The claims are a list.", signed([claims()]),
                  "malformed")  # fmt: skip
    yield refuses("oversize", "Longer than 64,000 characters, though it is signed.",
                  lease(grants=[premium(NOW - 60, None, "a" * 48_000)]), "malformed")  # fmt: skip


def _claims() -> Iterator[Vector]:
    yield refuses("wrong_vin", "Another car's lease.", lease(sub="5YJ3E1EAXKF000002"),
                  "for_another_car")  # fmt: skip
    yield refuses("vin_missing", "Nobody's lease.", lease(sub=...), "for_another_car")
    yield refuses("wrong_iss", "Another service's lease.", lease(iss="premium-connectivity-test"),
                  "of_another_issuer")  # fmt: skip
    for name in ("iss", "ver", "cat", "iat", "nbf", "exp", "grants"):
        yield refuses(f"{name}_missing", "A claim that a car cannot do without.",
                      lease(**{name: ...}), "claims")  # fmt: skip
    yield refuses("version_is_text", "A number is a number.", lease(ver="18"), "claims")
    yield refuses("exp_is_a_fraction", "Instants are whole seconds.", lease(exp=EXP + 0.5),
                  "claims")  # fmt: skip
    yield refuses("exp_before_iat", "It ends before it is issued.", lease(exp=NOW - 1), "claims")
    yield refuses("grant_without_features", "A grant says what it allows.",
                  lease(grants=[{"plan": "premium", "from": NOW, "until": None}]),
                  "claims")  # fmt: skip


def _order() -> Iterator[Vector]:
    yield refuses("rolled_back_version", "An old lease in a new document.", lease(ver=16),
                  "older_version")  # fmt: skip
    yield refuses("lower_catalogue", "A new version does not make up for an older catalogue.",
                  lease(cat=2), "older_catalog")  # fmt: skip
    yield refuses("lower_version_higher_catalogue", "Nor the other way round.",
                  lease(ver=16, cat=4), "older_version", catalog_=4)  # fmt: skip
    yield refuses("of_another_document", "The lease and what came with it are to agree.",
                  lease(ver=18), "not_of_this_document", version_=19)  # fmt: skip
    yield outdated("document_of_an_older_version", "The whole document is older.", 16, 3)
    yield outdated("document_of_a_lower_catalogue", "By component, not by the pair.", 18, 2)


def _time() -> Iterator[Vector]:
    yield refuses("expired", "The second of `exp` is over it.", lease(), "expired", clock=EXP)
    yield refuses("expired_clock_set_back", "The clock was set back a year; the floor was not.",
                  lease(), "expired", clock=EXP - 365 * DAY, floor=EXP - 30, uptime=30)  # fmt: skip
    yield refuses("expired_clock_in_1970", "The clock began anew; the floor did not.",
                  lease(), "expired", clock=12, floor=EXP - 12, uptime=12)  # fmt: skip
    yield refuses("future_nbf", "It begins later than it was issued.",
                  lease(nbf=NOW + 3600), "not_yet_valid")  # fmt: skip
    yield refuses("future_nbf_last_second", "One second too early.", lease(nbf=NOW + 3600),
                  "not_yet_valid", clock=NOW + 3599)  # fmt: skip
    yield adopts("nbf_has_come", "`nbf` itself is the first second.", lease(nbf=NOW + 3600),
                 *FEATURES, clock=NOW + 3600)  # fmt: skip


def _kept() -> Iterator[Vector]:
    paid_for = [premium(NOW - 60, NOW + 30 * DAY)]
    paid = lease(grants=paid_for)
    yield keeps("kept", "Offline, the lease in storage decides.", lease(), *FEATURES)
    yield keeps("kept_consent", "Offline a consent holds as the lease does, after its grants too.",
                lease(grants=paid_for, consents=LEARNING), clock=NOW + 30 * DAY,
                consents=LEARNING)  # fmt: skip
    yield void("kept_consent_expired", "Without a good lease there is no consent.",
               lease(consents=LEARNING), "expired", clock=EXP)  # fmt: skip
    for name, second, features in (
        ("kept_last_second_of_grant", -1, FEATURES),
        ("kept_end_of_grant", 0, []),
        ("kept_after_grant", 1, []),
    ):
        yield keeps(name, "`until` is the first second without the grant.", paid, *features,
                    clock=NOW + 30 * DAY + second)  # fmt: skip
    yield keeps("kept_last_second", "A grant without an end ends with the lease.", lease(),
                *FEATURES, clock=EXP - 1)  # fmt: skip
    yield void("kept_expired", "Its own `exp` ends it.", lease(), "expired", clock=EXP)
    yield void("kept_clock_set_back", "Setting the clock back stretches nothing.", lease(),
               "expired", clock=NOW, floor=NOW, uptime=40 * DAY)  # fmt: skip
    yield keeps("kept_clock_in_1970", "After a flat battery the saved floor is the time.", paid,
                *FEATURES, clock=0, floor=NOW + 29 * DAY, uptime=60)  # fmt: skip
    yield keeps("kept_clock_in_1970_grant_over", "So the grant ends all the same.", paid,
                clock=60, floor=NOW + 30 * DAY - 60, uptime=60)  # fmt: skip
    yield void("kept_removed_key", "A key that is missing from freshly fetched keys voids it.",
               under(REMOVED), "unknown_key")  # fmt: skip
    yield void("kept_rolled_back", "Storage holds an older lease than the car knows of.",
               lease(ver=17), "older_version")  # fmt: skip
    yield void("kept_of_another_car", "A copied storage.", lease(sub="5YJ3E1EAXKF000002"),
               "for_another_car")  # fmt: skip


def text() -> str:
    """The content of the file."""
    parts = (_good, _header, _signature, _form, _claims, _order, _time, _kept)
    vectors = [vector for part in parts for vector in part()]
    return json.dumps({"about": ABOUT, "jwks": JWKS, "vectors": vectors}, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
