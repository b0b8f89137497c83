"""The cars as processes: the command line, the demo car, a fleet."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.car import maker
from sandbox.car.identity import DEMO, series
from sandbox.car.storage import Storage
from tests.unit.car.edge_double import EdgeDouble, serving_in_thread

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "sandbox.car"]


def environment(data_dir: Path, edge_url: str = "http://127.0.0.1:9") -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "CAR_DATA_DIR": str(data_dir),
        "EDGE_URL": edge_url,
        "CLOCK_FILE": str(data_dir / "clock"),
        "PYTHONWARNINGS": "error",
    }


def run(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment(data_dir), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


@contextlib.contextmanager
def running(data_dir: Path, edge_url: str, *arguments: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, env=environment(data_dir, edge_url),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def stop(process: subprocess.Popen[str], number: int) -> str:
    process.send_signal(number)
    output, _ = process.communicate(timeout=15)
    return output


def test_the_manifest_names_the_demo_car_with_the_same_key_each_time(tmp_path):
    first, second = run(tmp_path, "--manifest"), run(tmp_path, "--manifest")
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert f"{DEMO.vin},model_3,mcu3,US,2025-06-01," in first.stdout


def test_the_manifest_of_a_fleet_has_so_many_cars(tmp_path):
    done = run(tmp_path, "--manifest", "--count", "30")
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == [
        "vin",
        *(car.vin for car in series(30)),
    ]


def test_a_senseless_count_is_refused_in_words(tmp_path):
    done = run(tmp_path, "--count", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("--count must be between 1 and")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_car_heeds_its_buttons_says_each_change_once_and_stops(tmp_path, number):
    edge = EdgeDouble(DEMO.vin)
    with serving_in_thread(edge), running(tmp_path, edge.url) as process:
        storage = Storage(tmp_path)
        eventually(lambda: edge.reports)
        storage.press_pairing(DEMO.vin)
        eventually(lambda: storage.memory(DEMO.vin).pairing_code)
        storage.turn(DEMO.vin, "asleep", on=True)
        eventually(lambda: storage.memory(DEMO.vin).next_check_at == 0)
        edge.give_premium()
        storage.turn(DEMO.vin, "asleep", on=False)
        eventually(lambda: len(edge.reports) == 2)
        assert time.time() - storage.alive_at(DEMO.vin) < 5
        output = stop(process, number)
        assert process.returncode == 0
        assert storage.alive_at(DEMO.vin) == 0
        storage.close()
    assert output.splitlines() == [
        f"car {DEMO.vin}: standard, 0 extra features, online",
        f"car {DEMO.vin}: asleep",
        f"car {DEMO.vin}: premium, 3 extra features, online",
    ]


def test_the_demo_car_waits_quietly_for_an_edge_that_is_not_there_yet(tmp_path):
    with running(tmp_path, "http://127.0.0.1:9") as process:
        storage = Storage(tmp_path)
        eventually(lambda: storage.memory(DEMO.vin).problem)
        first = storage.memory(DEMO.vin).next_check_at
        eventually(lambda: storage.memory(DEMO.vin).next_check_at > first)
        storage.close()
        output = stop(process, signal.SIGTERM)
    assert output.splitlines() == [
        f"car {DEMO.vin}: standard, 0 extra features. The service cannot be reached."
    ]


def test_two_processes_do_not_drive_one_car(tmp_path):
    with running(tmp_path, "http://127.0.0.1:9"):
        eventually((tmp_path / "cars.sqlite3").exists)
        second = run(tmp_path)
        assert second.returncode == 2
        assert "already drives the demo car" in second.stderr


def test_a_fleet_shows_what_it_sees_and_names_each_car_that_has_not_what_it_should(tmp_path):
    cars = series(5)
    # The double knows one car at a time: the first is welcome and the others are refused.
    edge = EdgeDouble(cars[0].vin)
    arguments = ("--count", "5", "--no-import")
    with serving_in_thread(edge), running(tmp_path, edge.url, *arguments) as process:
        eventually(lambda: len(edge.asking) == 5 and edge.reports)
        output = stop(process, signal.SIGINT)
        assert process.returncode == 1
    summary = output[output.index("Stopped.") :]
    assert "5 cars for 0:" in summary
    assert "standard 1" in summary
    assert "none yet 4" in summary
    assert "4 x invalid_grant (400)" in summary
    assert "in all   1 checks" in summary
    assert "Proof: 1 of 5 cars have what they should." in summary
    wrong = re.findall(r"WRONG  (\w+): (.*)", summary)
    assert {vin for vin, _ in wrong} == {car.vin for car in cars[1:]}
    assert all("It has no token. The car says: invalid_grant (400)" in why for _, why in wrong)


def test_a_fleet_is_imported_by_the_command_of_any_maker(tmp_path, monkeypatch):
    monkeypatch.setattr(maker, "_ROOT", tmp_path)
    (tmp_path / "manage.py").write_text("raise SystemExit(1)")
    file = tmp_path / "fleet.csv"
    with pytest.raises(maker.NotTakenError, match=r"Not all cars of .*fleet\.csv were imported"):
        maker.provision("vin\n", file)
    taken = f"import sys; sys.exit(sys.argv[1:] != ['import_vehicles', {str(file)!r}])"
    (tmp_path / "manage.py").write_text(taken)
    maker.provision("vin\n", file)
    assert file.read_text() == "vin\n"
