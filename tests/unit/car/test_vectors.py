"""The sandbox's car makes of each published lease vector what docs/vectors says."""

import json
from pathlib import Path

import pytest

from sandbox.car import keys, protocol
from sandbox.car import lease as leases
from sandbox.car.answers import Answer
from sandbox.car.holding import Holding
from sandbox.car.notebook import Notebook
from sandbox.car.protocol import Adopt, Held, Outdated, Refuse
from sandbox.car.storage import Storage
from sandbox.car.timekeeping import CarClock
from tests.data import lease_vectors

TOLD = json.loads(lease_vectors.FILE.read_text())
KEYS = leases.parse_keys(TOLD["jwks"])
VECTORS = {vector["name"]: vector for vector in TOLD["vectors"]}
OFFERED = [name for name, vector in VECTORS.items() if "offered" in vector]
KEPT = [name for name, vector in VECTORS.items() if "kept" in vector]
# What nobody may be without.
NEEDED = {
    *("good", "expired", "rolled_back_version", "lower_catalogue", "wrong_vin", "unknown_key"),
    *("removed_key", "tampered", "alg_none", "alg_hs256", "wrong_typ", "future_nbf"),
    *("expired_clock_set_back", "expired_clock_in_1970", "missing_kid", "exp_before_iat"),
    *("wrong_iss", "two_parts", "oversize"),
}


def time_of(car: dict) -> CarClock:
    """A car that was switched on `uptime` seconds ago with this floor in its storage."""
    uptime = iter([0.0])
    return CarClock(
        lambda: car["clock"], floor=car["floor"], uptime=lambda: next(uptime, car["uptime"])
    )


def offer(vector: dict) -> dict:
    """What becomes of an answer of the edge, in the car's real code."""
    car, clock = vector["car"], time_of(vector["car"])
    document = {"vin": car["vin"], **vector["offered"]}
    held = Held(car["vin"], car["issuer"], car["version"], car["catalog"], KEYS)
    step = protocol.on_check(Answer(200, {}, json.dumps(document).encode()), held, clock.now())
    if isinstance(step, Refuse):
        return {"outcome": "refuse", "time": clock.now(), "reason": step.reason}
    if isinstance(step, Outdated):
        return {"outcome": "outdated", "time": clock.now()}
    assert isinstance(step, Adopt)
    clock.witness(step.lease.issued_at)
    return {"outcome": "adopt", "time": clock.now(), **verdict(step.lease.verdict(clock.now()))}


def verdict(said: leases.Verdict) -> dict:
    consents = list(said.consents)
    return {"plan": said.plan, "features": list(said.features), "consents": consents}


def why(car: dict, token: str, now: float) -> str | None:
    """The first rule that a stored lease breaks."""
    try:
        lease = leases.read(token, keys=KEYS, vin=car["vin"])
        lease.check_issuer(car["issuer"])
        lease.check_order(car["version"], car["catalog"])
        lease.check_time(now)
    except leases.LeaseError as refusal:
        return refusal.reason.value
    return None


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_offered(name: str) -> None:
    assert offer(VECTORS[name]) == VECTORS[name]["expected"]


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept(name: str, tmp_path: Path) -> None:
    vector = VECTORS[name]
    car, now = vector["car"], time_of(vector["car"]).now()
    storage = Storage(tmp_path)
    storage.enrol([car["vin"]], keys.new_key)
    notebook = Notebook(storage, car["vin"])
    notebook.note(
        lease=vector["kept"], jwks=TOLD["jwks"], version=car["version"], catalog=car["catalog"]
    )
    said = Holding(notebook, car["issuer"]).verdict(now)
    storage.close()
    reason = why(car, vector["kept"], now)
    if reason:
        assert said == leases.Verdict(leases.STANDARD, ())
        assert {"outcome": "void", "time": now, "reason": reason} == vector["expected"]
    else:
        assert {"outcome": "holds", "time": now, **verdict(said)} == vector["expected"]


def test_the_file_is_what_its_script_makes() -> None:
    """Make it anew with `python -m tests.data.lease_vectors`."""
    assert lease_vectors.FILE.read_text() == lease_vectors.text()


def test_none_is_missing_and_each_reason_has_a_vector() -> None:
    assert set(VECTORS) >= NEEDED
    assert len(VECTORS) == len(TOLD["vectors"])
    reasons = {vector["expected"].get("reason") for vector in TOLD["vectors"]}
    assert reasons - {None} == {reason.value for reason in leases.Reason}


def test_no_private_key_is_published() -> None:
    said = lease_vectors.FILE.read_text()
    assert '"d"' not in said
    for key in (lease_vectors.CURRENT, lease_vectors.REMOVED):
        assert lease_vectors.encoded(key.private.private_bytes_raw()) not in said
