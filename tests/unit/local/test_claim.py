"""A data directory and its ports have one supervisor; the leftovers of a killed one are ended."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectivity.local import claim
from connectivity.local.clear import clear
from connectivity.local.environment import kept_secrets
from connectivity.local.errors import CannotStart
from connectivity.local.process import MARK


def test_a_second_supervisor_is_refused_and_told_which_is_the_first(tmp_path: Path) -> None:
    with (
        claim.claimed(tmp_path / "var"),
        pytest.raises(CannotStart, match=rf"in use .* \(process {os.getpid()}\)"),
        claim.claimed(tmp_path / "var"),
    ):
        pass
    with claim.claimed(tmp_path / "var"):
        assert (tmp_path / "var" / "lock").read_text() == str(os.getpid())


def test_a_directory_of_another_user_is_refused_by_his_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = re.escape(claim._name(os.geteuid()))
    monkeypatch.setattr(os, "geteuid", lambda: 424242)
    with (
        pytest.raises(CannotStart, match=rf"belongs to {owner}, and this is user 424242"),
        claim.claimed(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CannotStart, match=r"file/var cannot be made: Not a directory"),
        claim.claimed(tmp_path / "file" / "var"),
    ):
        pass


def test_a_taken_port_is_refused_by_number_and_variable() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"Port {port} \(EDGE_PORT\)"):
            claim.refuse_taken_ports({"EDGE_PORT": port})
    claim.refuse_taken_ports({"EDGE_PORT": port})


def test_leftovers_are_ended_with_all_they_started_and_strangers_are_not(
    tmp_path: Path,
) -> None:
    sleeper = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    marks = {"ours": "var#1", "an older run's": "var#11", "another directory's": "var2#1"}
    started = {
        whose: subprocess.Popen(
            [sys.executable, "-c", sleeper],
            env={**os.environ, MARK: f"{tmp_path}/{value}"},
            stdin=subprocess.PIPE,
        )
        for whose, value in marks.items()
    }
    deadline = time.monotonic() + 10
    while len(claim.leftovers(tmp_path / "var")) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        assert claim.end_leftovers(tmp_path / "var", supervisor=1, patience=0.2) == 2
        assert started["ours"].wait(5) == -9
        assert started["an older run's"].poll() is None
        assert claim.end_leftovers(tmp_path / "var", patience=0.2) == 2
        assert started["an older run's"].wait(5) == -9
        assert started["another directory's"].poll() is None
    finally:
        for process in started.values():
            process.communicate()


def test_data_are_cleared_only_where_they_are_ours_and_idle(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    assert "Nothing to remove" in clear(data_dir)
    data_dir.mkdir()
    with pytest.raises(CannotStart, match="does not look like"):
        clear(data_dir)
    kept_secrets(data_dir)
    with claim.claimed(data_dir), pytest.raises(CannotStart, match="already in use"):
        clear(data_dir)
    assert "Removed" in clear(data_dir)
    assert not data_dir.exists()
