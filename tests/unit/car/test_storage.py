"""What survives a restart, and who may read it."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.car import keys
from sandbox.car.storage import APPLIED, FAILED, Memory, Report, Storage, Switches


def test_only_the_owner_may_read_the_keys(tmp_path):
    old = os.umask(0)
    try:
        storage = Storage(tmp_path / "deep" / "car")
        storage.enrol(["V1"], keys.new_key)
        files = list((tmp_path / "deep" / "car").iterdir())
        assert files
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    finally:
        os.umask(old)


def test_a_key_is_made_once(tmp_path):
    first = Storage(tmp_path).enrol(["V1", "V2"], keys.new_key)
    again = Storage(tmp_path).enrol(["V2", "V3", "V1"], keys.new_key)
    assert first["V1"] != first["V2"]
    assert (again["V1"], again["V2"]) == (first["V1"], first["V2"])
    assert list(again) == ["V2", "V3", "V1"]


def test_processes_that_start_together_agree_on_the_keys(tmp_path):
    got: list[dict[str, bytes]] = []
    gate = threading.Barrier(4)

    def late_key() -> bytes:
        gate.wait(10)  # By now each of them has found that the car has no key.
        return keys.new_key()

    def start() -> None:
        got.append(Storage(tmp_path).enrol(["V1"], late_key))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(got) == 4
    assert all(found == got[0] for found in got)


def test_a_new_storage_may_be_opened_by_many_at_once(tmp_path):
    def starts(number: int) -> tuple[int, bytes]:
        folder = number // 4
        return folder, Storage(tmp_path / str(folder)).enrol(["V1"], keys.new_key)["V1"]

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(starts, range(400)))) == 100


def test_a_memory_survives_whole(tmp_path):
    storage = Storage(tmp_path)
    storage.enrol(["V1"], keys.new_key)
    report = Report(3, 2, FAILED, "lease_expired", at=12.5)
    memory = Memory(token="t", version=3, catalog=2, document={"plan": "premium"}, report=report)
    storage.save("V1", memory)
    storage.close()
    assert Storage(tmp_path).memory("V1") == memory
    assert Storage(tmp_path).memory("unknown") == Memory()


def test_a_memory_of_another_release_is_still_read():
    assert Memory.from_json('{"version": 4, "from_the_future": 1}') == Memory(version=4)


def test_the_screen_and_the_car_do_not_overwrite_each_other(tmp_path):
    car, screen = Storage(tmp_path), Storage(tmp_path)
    car.enrol(["V1"], keys.new_key)
    screen.turn("V1", "reports_held", on=True)
    car.save("V1", Memory(version=9))
    screen.press_pairing("V1")
    screen.press_pairing("V1")
    assert car.switches("V1") == Switches(reports_held=True, pairing_presses=2)
    assert screen.memory("V1").version == 9
    screen.turn("V1", "reports_held", on=False)
    screen.hide_pairing("V1")
    assert car.switches("V1") == Switches(pairing_presses=2, pairing_hidden=2)


def test_there_are_no_other_switches(tmp_path):
    with pytest.raises(ValueError, match="no switch"):
        Storage(tmp_path).turn("V1", "pairing_presses = 9 --", on=True)


def test_which_reports_say_nothing_new():
    applied = Report(2, 1, APPLIED, "", at=1)
    failed = Report(2, 1, FAILED, "lease_signature", at=1)
    assert applied.makes_needless(Report(2, 1, APPLIED, "", at=2))
    assert applied.makes_needless(failed)
    assert failed.makes_needless(Report(2, 1, FAILED, "lease_signature", at=2))
    assert not failed.makes_needless(Report(2, 1, FAILED, "lease_expired", at=2))
    assert not failed.makes_needless(applied)
    assert not applied.makes_needless(Report(3, 1, FAILED, "", at=2))
    assert not applied.makes_needless(Report(2, 2, APPLIED, "", at=2))
