"""What is started, and what a person is told about it."""

import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from connectivity.local.environment import effective, wishes
from connectivity.local.greeting import greeting
from connectivity.local.process import mark
from connectivity.local.programs import STARTING, Programs
from tests.running import free_port, soon

SECRETS = {"SECRET_KEY", "LEASE_SIGNING_KEYS", "VEHICLE_TOKEN_KEYS", "DATABASE_URL"}
REAL = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRETS": "whsec_1"}


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    given = {"APP_DATA_DIR": str(tmp_path), "WEB_PORT": "9000", "NO_PROXY": "intra.test"}
    wished = wishes(given, tmp_path)
    values = effective(
        wished, database_url="postgres://d", broker_url="redis://b", sites='{"eu": "redis://s"}'
    )
    return Programs(
        root=tmp_path,
        data_dir=tmp_path,
        ports=wished.ports,
        with_sandbox=True,
        given=given,
        effective=values,
    )


def test_the_world_outside_is_told_none_of_the_products_secrets(programs: Programs) -> None:
    for program in (programs.sandbox(), programs.car()):
        assert not SECRETS & program.env.keys()
    assert programs.web().env.keys() >= SECRETS


def test_the_sandbox_and_the_product_agree_on_where_webhooks_go(programs: Programs) -> None:
    sandbox, web = programs.sandbox().env, programs.web()
    assert sandbox["SANDBOX_WEBHOOK_URL"] == "http://localhost:9000/billing/webhook/"
    assert sandbox["SANDBOX_WEBHOOK_SECRET"] == web.env["STRIPE_WEBHOOK_SECRETS"]
    assert sandbox["CLOCK_FILE"] == web.env["CLOCK_FILE"]
    assert "127.0.0.1:9000" in web.argv


def test_no_header_says_where_the_site_begins(programs: Programs, tmp_path: Path) -> None:
    ports = replace(programs.ports, web=free_port())
    argv = list(replace(programs, ports=ports).web().argv)
    # The standard library's application shows what it was given.
    argv[argv.index("connectivity.wsgi:application")] = "wsgiref.simple_server:demo_app"
    forged = {"SCRIPT_NAME": "/forged", "PATH_INFO": "/forged"}
    page = Request(f"http://127.0.0.1:{ports.web}/true", headers=forged)
    with (tmp_path / "log").open("wb") as log:
        web = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        told = soon(lambda: _read(page), 30)
    finally:
        web.terminate()
        web.wait(10)
    assert "PATH_INFO = '/true'" in told
    assert "SCRIPT_NAME = ''" in told
    assert "forged" not in told


def _read(page: Request) -> str:
    try:
        with urlopen(page, timeout=5) as answer:  # noqa: S310 -- localhost
            return str(answer.read(), "utf-8")
    except OSError:
        return ""


def test_every_child_carries_the_mark_and_writes_where_it_should(programs: Programs) -> None:
    everything = (
        *(programs.prepare(), programs.web(), programs.edge(), programs.worker()),
        *(programs.beat(), programs.sandbox(), programs.car()),
    )
    for program in everything:
        assert program.env.items() >= mark(programs.data_dir).items()
        assert program.env["TMPDIR"] == str(programs.data_dir / "tmp")
        assert program.env["NO_PROXY"] == "intra.test,localhost,127.0.0.1"
        assert program.log == programs.data_dir / "log" / f"{program.name}.log"


def test_what_is_compiled_is_kept_where_the_person_allows_it(programs: Programs) -> None:
    assert "PYTHONPYCACHEPREFIX" not in programs.web().env
    wish = {**programs.given, "PYTHONDONTWRITEBYTECODE": "1"}
    env = replace(programs, given=wish).web().env
    assert "PYTHONDONTWRITEBYTECODE" not in env
    assert env["PYTHONPYCACHEPREFIX"] == str(programs.data_dir / "pycache")


def test_with_real_keys_the_preparation_asks_no_car_for_papers(programs: Programs) -> None:
    assert "CAR_DATA_DIR" in programs.prepare().env
    assert "CAR_DATA_DIR" not in replace(programs, with_sandbox=False).prepare().env


def test_somebody_elses_database_is_not_waited_for(programs: Programs) -> None:
    assert STARTING in programs.prepare().argv
    theirs = {**programs.given, "DATABASE_URL": "postgres://d"}
    assert STARTING not in replace(programs, given=theirs).prepare().argv


def test_the_greeting_names_the_mailbox_and_the_car_where_there_are_any(tmp_path: Path) -> None:
    told = greeting(wishes({"SANDBOX_PORT": "9002"}, tmp_path), 1.0)
    assert "http://localhost:9002/car/" in told
    assert "http://localhost:9002/mail/" in told
    assert "make clean-data" in told


def test_the_greeting_names_neither_without_the_sandbox(tmp_path: Path) -> None:
    told = greeting(wishes(REAL | {"APP_DATA_DIR": f"{tmp_path}/here"}, tmp_path), 1.0)
    assert "/car/" not in told
    assert f"the code comes to {tmp_path}/here/mail" in told
    assert f"rm -r {tmp_path}/here" in told


def test_the_greeting_does_not_claim_to_know_a_mail_server_of_mine(tmp_path: Path) -> None:
    told = greeting(wishes({"EMAIL_URL": "smtp://mail.test"}, tmp_path), 1.0)
    assert "the code comes by mail" in told
