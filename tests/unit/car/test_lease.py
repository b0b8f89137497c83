"""What a lease allows, and each way in which it can be bad."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.car import lease as leases
from sandbox.car.lease import LeaseError, Reason
from tests.unit.car.edge_double import DAY, PREMIUM, SigningKey, make_lease, premium_grant

VIN = "5YJ3E1EA0KF000316"
NOW = 1_795_335_600
KEY = SigningKey("k1")
KEYS = leases.parse_keys({"keys": [KEY.jwk]})


def read(token: str, now: float = NOW, held: tuple[int, int] = (0, 0)) -> leases.Lease:
    lease = leases.read(token, keys=KEYS, vin=VIN)
    lease.check_order(*held)
    lease.check_time(now)
    return lease


def refusal(token: str, now: float = NOW, held: tuple[int, int] = (0, 0)) -> Reason:
    with pytest.raises(LeaseError) as caught:
        read(token, now, held)
    return caught.value.reason


def forged(header: dict, signature: bytes = b"x" * 64) -> str:
    """A token put together by hand, for headers that no library would write."""
    parts = [json.dumps(header).encode(), json.dumps({"sub": VIN}).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_a_good_lease_is_read():
    lease = read(make_lease(KEY, VIN, NOW, ver=17, cat=3, grants=[premium_grant(NOW, None)]))
    assert (lease.kid, lease.version, lease.catalog) == ("k1", 17, 3)
    assert lease.verdict(NOW) == leases.Verdict("premium", tuple(PREMIUM))


def test_unknown_claims_and_feature_codes_are_no_reason_to_refuse():
    grant = {"plan": "premium", "features": ["teleport"], "from": NOW, "until": None}
    lease = read(make_lease(KEY, VIN, NOW, grants=[grant], novelty={"a": 1}, aud="someone"))
    assert lease.verdict(NOW).features == ("teleport",)


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "é.x.y", "x" * 70_000])
def test_what_is_no_jws_is_malformed(token):
    assert refusal(token) == Reason.MALFORMED


def test_other_algorithms_are_refused_before_anything_is_verified():
    public = base64.urlsafe_b64decode(KEY.jwk["x"] + "=")
    claims = {"sub": VIN}
    header = {"typ": "lease+jwt", "kid": "k1"}
    hmac = jwt.encode(claims, public, algorithm="HS256", headers=header)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    es256 = jwt.encode(claims, elliptic, algorithm="ES256", headers=header)
    big = rsa.generate_private_key(65537, 2048)
    rs256 = jwt.encode(claims, big, algorithm="RS256", headers=header)
    none = forged(header | {"alg": "none"}, b"")
    for token in (hmac, es256, rs256, none, forged(header | {"alg": "eddsa"})):
        assert refusal(token) == Reason.ALGORITHM


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "LEASE+JWT", ""])
def test_other_types_are_refused(typ):
    assert refusal(make_lease(KEY, VIN, NOW, headers={"typ": typ})) == Reason.TYPE


def test_a_critical_header_that_the_car_does_not_know_is_refused():
    header = {"alg": "EdDSA", "typ": "lease+jwt", "kid": "k1"}
    assert refusal(forged(header | {"crit": ["new"], "new": 1})) == Reason.MALFORMED
    assert refusal(forged(header | {"crit": ["b64"], "b64": True})) == Reason.CRITICAL


def test_a_lease_without_kid_or_under_an_unknown_one_is_refused():
    assert refusal(forged({"alg": "EdDSA", "typ": "lease+jwt"})) == Reason.NO_KEY_ID
    assert refusal(make_lease(SigningKey("k9"), VIN, NOW)) == Reason.UNKNOWN_KEY


def test_another_key_under_the_same_kid_is_refused():
    assert refusal(make_lease(SigningKey("k1"), VIN, NOW)) == Reason.SIGNATURE


def test_one_changed_letter_of_the_claims_breaks_the_signature():
    head, body, signature = make_lease(KEY, VIN, NOW, grants=[]).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["grants"] = [premium_grant(NOW, None)]
    richer = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert refusal(f"{head}.{richer}.{signature}") == Reason.SIGNATURE


@pytest.mark.parametrize("vin", ["5YJ3E1EAXKF000002", VIN.lower(), "", 7])
def test_a_lease_for_another_car_is_refused(vin):
    assert refusal(make_lease(KEY, vin, NOW)) in (Reason.OTHER_CAR, Reason.MALFORMED)


@pytest.mark.parametrize("claim", ["iss", "ver", "cat", "iat", "nbf", "exp", "grants"])
def test_no_claim_of_the_contract_may_be_missing(claim):
    assert refusal(make_lease(KEY, VIN, NOW, **{claim: None})) == Reason.CLAIMS


@pytest.mark.parametrize(
    "changes",
    [
        {"ver": "17"},
        {"ver": True},
        {"cat": 1.5},
        {"iss": ""},
        {"exp": "tomorrow"},
        {"grants": {"plan": "premium"}},
        {"grants": ["premium"]},
        {"grants": [{"plan": "premium", "from": 0, "until": None}]},
        {"grants": [{"plan": "premium", "features": "all", "from": 0, "until": None}]},
        {"grants": [{"plan": "premium", "features": [], "from": "soon", "until": None}]},
        {"grants": [{"plan": "premium", "features": [], "from": "2026-11-22", "until": None}]},
    ],
)
def test_claims_of_the_wrong_kind_are_refused(changes):
    assert refusal(make_lease(KEY, VIN, NOW, **changes)) == Reason.CLAIMS


def test_a_lease_ends_at_exp_and_not_a_second_before():
    token = make_lease(KEY, VIN, NOW)
    read(token, NOW + 40 * DAY - 1)
    assert refusal(token, NOW + 40 * DAY) == Reason.EXPIRED


def test_a_lease_has_begun_by_its_own_time_of_issue():
    token = make_lease(KEY, VIN, NOW, nbf=NOW)
    read(token, now=0)  # A car whose clock is slow has just been told what time it is.
    assert refusal(make_lease(KEY, VIN, NOW, nbf=NOW + 100), NOW + 99) == Reason.NOT_YET
    read(make_lease(KEY, VIN, NOW, nbf=NOW + 100), NOW + 100)


def test_neither_number_may_be_lower_than_what_the_car_holds():
    token = make_lease(KEY, VIN, NOW, ver=5, cat=5)
    read(token, held=(5, 5))
    read(token, held=(4, 5))
    assert refusal(token, held=(6, 1)) == Reason.OLDER_VERSION
    assert refusal(token, held=(1, 6)) == Reason.OLDER_CATALOG


def test_grants_hold_from_their_start_to_just_before_their_end():
    grant = premium_grant(NOW + 10, NOW + 20)
    lease = read(make_lease(KEY, VIN, NOW, grants=[grant]))
    plans = [lease.verdict(NOW + second).plan for second in (9, 10, 19.9, 20)]
    assert plans == ["standard", "premium", "premium", "standard"]


def test_the_verdict_is_the_union_of_the_grants_that_hold():
    grants = [
        {"plan": "music", "features": ["music_streaming", "karaoke"], "from": NOW, "until": None},
        premium_grant(NOW, NOW + 100),
        {"plan": "old", "features": ["browser"], "from": NOW - 50, "until": NOW},
    ]
    lease = read(make_lease(KEY, VIN, NOW, grants=grants))
    assert lease.verdict(NOW).plan == "premium"
    assert lease.verdict(NOW).features == ("music_streaming", "karaoke", *PREMIUM)
    assert lease.verdict(NOW + 100) == leases.Verdict("music", ("music_streaming", "karaoke"))


def test_keys_of_other_kinds_are_passed_over():
    curve448 = {"kty": "OKP", "crv": "X25519", "kid": "x", "x": KEY.jwk["x"]}
    jwks = {"keys": [{"kty": "RSA", "kid": "r"}, "junk", curve448, KEY.jwk | {"x": "!"}, KEY.jwk]}
    assert list(leases.parse_keys(jwks)) == ["k1"]
    assert leases.parse_keys({}) == {}
