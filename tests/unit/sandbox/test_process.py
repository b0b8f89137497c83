"""`python -m sandbox`: how it starts, what it refuses, how it stops."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from sandbox.config import StartRefusedError, from_environment
from tests.unit.sandbox.conftest import until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def start(tmp_path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox"],
        env={
            "PATH": os.environ["PATH"],
            "SANDBOX_DATA_DIR": str(tmp_path / "sandbox"),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/livez", timeout=1).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("path", ["/mail.json", "/", "/v1/prices", "/nothing"])
def test_a_strangers_name_for_this_machine_is_refused(unrecorded, path):
    port = unrecorded.running.config.port
    for name in ("evil.test", f"evil.test:{port}", "localhost.evil.test", "127.0.0.1.evil.test"):
        answer = requests.get(f"{unrecorded.url}{path}", headers={"Host": name}, timeout=5)
        assert answer.status_code == 400
        assert answer.text == f"The sandbox answers at http://localhost:{port} only."
    for name in ("localhost", "127.0.0.1"):
        assert requests.get(f"http://{name}:{port}/mail.json", timeout=5).json() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(tmp_path, number):
    port, smtp_port = free_port(), free_port()
    with start(tmp_path, SANDBOX_PORT=str(port), SANDBOX_SMTP_PORT=str(smtp_port)) as process:
        until(lambda: answers(port), seconds=20)
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=5)
        assert "Sandbox – no real payment" in page.text
        for link in ("/mail/", "/mail.json", "/car/"):
            assert f'href="{link}"' in page.text
            assert requests.get(f"http://127.0.0.1:{port}{link}", timeout=5).status_code == 200
        told_at = time.monotonic()
        process.send_signal(number)
        output, errors = process.communicate(timeout=10)
        assert time.monotonic() - told_at < 2
    assert process.returncode == 0
    assert errors == ""
    assert f"http://localhost:{port}/" in output
    assert str(smtp_port) in output


def test_what_was_committed_survives_being_killed(tmp_path):
    port = free_port()
    headers = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": "k"}
    made = []
    for _ in range(2):
        with start(tmp_path, SANDBOX_PORT=str(port), SANDBOX_SMTP_PORT="0") as process:
            until(lambda: answers(port), seconds=20)
            url = f"http://127.0.0.1:{port}/v1/customers"
            made.append(requests.post(url, {"name": "Ada"}, headers=headers, timeout=5).json())
            process.kill()
    assert made[0] == made[1]


def test_a_taken_port_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(tmp_path, SANDBOX_PORT=str(port), SANDBOX_SMTP_PORT="0") as process:
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "SANDBOX_PORT" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SANDBOX_HOST": "0.0.0.0"}, "127.0.0.1"),  # noqa: S104 - the very thing to refuse
        ({"SANDBOX_HOST": "192.168.1.2"}, "127.0.0.1"),
        ({"SANDBOX_HOST": "example.test"}, "127.0.0.1"),
        ({"SANDBOX_PORT": "http"}, "SANDBOX_PORT"),
        ({"SANDBOX_SMTP_PORT": "70000"}, "SANDBOX_SMTP_PORT"),
        ({"SANDBOX_WEBHOOK_URL": "http://localhost:8000/"}, "SANDBOX_WEBHOOK_SECRET"),
    ],
)
def test_a_dangerous_or_wrong_setting_is_refused(environment, words):
    with pytest.raises(StartRefusedError, match=words):
        from_environment(environment)


def test_a_refusal_ends_the_process_at_once(tmp_path):
    with start(tmp_path, SANDBOX_HOST="0.0.0.0") as process:  # noqa: S104 - the very thing to refuse
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "loopback" in errors
    assert "Traceback" not in errors


def test_the_defaults_are_those_of_the_interface(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = from_environment({})
    assert (config.port, config.smtp_port, config.host) == (8002, 8025, "127.0.0.1")
    assert config.data_dir == tmp_path / "var" / "sandbox"
    assert config.clock_file == tmp_path / "var" / "clock"
    assert from_environment({"SANDBOX_PORT": "9000"}).smtp_port == 9023


def test_the_clock_is_moved_by_its_file_and_never_back(tmp_path):
    from sandbox.clock import Clock

    path = tmp_path / "clock"
    clock = Clock(path)
    assert abs(clock.now() - time.time()) <= 1
    path.write_text("3600\n")
    moved = clock.now()
    assert abs(moved - time.time() - 3600) <= 1
    # An empty file is one that is being written.
    path.write_text("")
    assert clock.now() >= moved
    path.write_text("10")
    assert clock.now() >= moved
