"""A lease says exactly what the contract says, under a key that any library finds in the JWKS."""

import base64
import hashlib
import json
from uuid import UUID

import jwt
import pytest
import uuid6
from jwt.types import Options

from billing import catalog
from billing.entitlements import Grant
from fleet import access, lease
from fleet.snapshots import Snapshot
from tests.data import lease_vectors

NOW = 1_795_000_000
CAR = UUID("01920000-0000-7000-8000-0000000000ff")
# RFC 8037, appendix A: a private key and the thumbprint of its public one.
SEED = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
OLDER = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
SOLD = catalog.parse(
    {
        "features": [
            {"code": "maps", "name": "Maps"},
            {"code": "video", "name": "Video", "requires": [["hardware:mcu2", "hardware:mcu3"]]},
        ],
        "plans": [{"code": "premium", "name": "Premium", "features": ["maps", "video"]}],
        "prices": [],
    },
    revision=3,
)


@pytest.fixture(autouse=True)
def _keys(settings) -> None:
    settings.LEASE_SIGNING_KEYS = [SEED, OLDER]


def sign(**changed) -> str:
    facts = {"vin": "5YJ3E1EA0KF000316", "version": 17, "catalog": 3, "consents": [], "grants": []}
    return lease.sign(**{**facts, **changed}, now=NOW)


def read(text: str) -> dict:
    """As a car's programmer would do it: a standard library and the JWKS."""
    keys = jwt.PyJWKSet.from_dict(lease.jwks())
    kid = jwt.get_unverified_header(text)["kid"]
    options: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    return jwt.decode(text, keys[kid].key, algorithms=["EdDSA"], options=options)


def document(*grants: Grant, hardware: str = "mcu3") -> dict:
    traits = frozenset({f"hardware:{hardware}"})
    snapshot = Snapshot(CAR, 17, 1, False, traits, (), grants)
    return access.check(snapshot, SOLD, now=NOW).document("5YJ3E1EA0KF000316")


def test_the_claims_are_those_of_the_contract_and_no_others() -> None:
    granted = [{"plan": "premium", "features": ["maps"], "from": 1, "until": None}]
    assert read(sign(grants=granted)) == {
        "iss": "premium-connectivity",
        "sub": "5YJ3E1EA0KF000316",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 40 * 86_400,
        "ver": 17,
        "cat": 3,
        "consents": [],
        "grants": granted,
    }


def test_the_header_names_algorithm_type_and_key_and_nothing_else() -> None:
    assert jwt.get_unverified_header(sign()) == {
        "alg": "EdDSA",
        "typ": "lease+jwt",
        "kid": THUMBPRINT,
    }


def test_the_key_is_named_by_its_thumbprint() -> None:
    newest, older = lease.jwks()["keys"]
    assert newest["x"] == PUBLIC
    for jwk in (newest, older):
        canonical = json.dumps(
            {name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":")
        )
        digest = hashlib.sha256(canonical.encode()).digest()
        assert jwk["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_jwks_gives_no_private_key_away() -> None:
    for jwk in lease.jwks()["keys"]:
        assert set(jwk) == {"crv", "kty", "x", "kid", "use"}
    assert SEED not in json.dumps(lease.jwks())


def test_the_newest_key_signs_and_what_the_older_one_signed_is_still_good(settings) -> None:
    settings.LEASE_SIGNING_KEYS = [OLDER]
    before = sign()
    settings.LEASE_SIGNING_KEYS = [SEED, OLDER]
    assert jwt.get_unverified_header(sign())["kid"] == THUMBPRINT
    assert jwt.get_unverified_header(before)["kid"] != THUMBPRINT
    assert read(before)["ver"] == 17


def test_the_good_lease_of_the_published_vectors_is_ours_to_the_letter(settings) -> None:
    seed = lease_vectors.CURRENT.private.private_bytes_raw()
    settings.LEASE_SIGNING_KEYS = [base64.urlsafe_b64encode(seed).rstrip(b"=").decode()]
    ours = lease.sign(
        vin=lease_vectors.VIN,
        version=18,
        catalog=3,
        consents=[],
        grants=[lease_vectors.premium()],
        now=lease_vectors.NOW,
    )
    assert ours == lease_vectors.lease()
    assert lease.jwks()["keys"] == [lease_vectors.CURRENT.jwk]


def test_a_changed_lease_is_refused() -> None:
    head, claims, signature = sign().split(".")
    other = sign(version=18).split(".")[1]
    with pytest.raises(jwt.InvalidSignatureError):
        read(f"{head}.{other}.{signature}")
    assert read(f"{head}.{claims}.{signature}")["ver"] == 17


def test_an_epoch_lasts_seven_days_and_turns_once() -> None:
    numbers = [lease.epoch(CAR, NOW + second) for second in range(0, 14 * 86_400, 60)]
    assert numbers == sorted(numbers)
    assert numbers[-1] - numbers[0] in (1, 2)
    turn = next(
        second
        for second in range(NOW, NOW + 7 * 86_400 + 1)
        if lease.epoch(CAR, second) > lease.epoch(CAR, NOW)
    )
    assert lease.epoch(CAR, turn + 7 * 86_400 - 1) == lease.epoch(CAR, turn)
    assert lease.epoch(CAR, turn + 7 * 86_400) == lease.epoch(CAR, turn) + 1


def test_a_fleet_does_not_renew_in_one_minute() -> None:
    cars = [uuid6.uuid7() for _ in range(5_000)]
    hours = [0] * 168
    for car in cars:
        start = lease.epoch(car, NOW)
        hour = next(h for h in range(168) if lease.epoch(car, NOW + (h + 1) * 3600) > start)
        hours[hour] += 1
    assert max(hours) < 75  # 30 on average
    assert min(hours) > 0


def test_features_are_narrowed_to_what_the_car_can_do() -> None:
    grant = Grant("premium", NOW - 10, NOW + 10, "trial")
    assert read(document(grant)["lease"])["grants"][0]["features"] == ["maps", "video"]
    assert read(document(grant, hardware="mcu1")["lease"])["grants"] == [
        {"plan": "premium", "features": ["maps"], "from": NOW - 10, "until": NOW + 10}
    ]


def test_a_future_grant_is_in_the_lease_before_it_is_in_the_verdict() -> None:
    told = document(Grant("premium", NOW + 60, None, "factory"))
    assert told["plan"] == "standard"
    assert told["features"] == ()
    assert read(told["lease"])["grants"][0]["from"] == NOW + 60
    assert read(told["lease"])["grants"][0]["until"] is None


def test_a_plan_that_is_no_longer_sold_brings_no_features() -> None:
    told = document(Grant("gold", NOW - 10, None, "factory"))
    assert told["plan"] == "standard"
    assert read(told["lease"])["grants"][0]["features"] == []
