"""The edge as a process: real HTTP, the product's own clock, and servers that come and go."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
from django.db import connection

from billing import clock
from fleet import credentials, delivery
from fleet.models import Report, Vehicle
from tests.edge_server import Edge, Said, ask, running_edge
from tests.factories import Car, make_car

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("edge")]
PROBLEM = "application/problem+json"
FORM = "application/x-www-form-urlencoded"
CHECK = "/vehicle/v1/entitlement"
REPORT = "/vehicle/v1/entitlement/report"
DAY = 86_400  # seconds
DEAD = "postgres://postgres@localhost:1/none"


@pytest.fixture(scope="module")
def edge(django_db_setup, tmp_path_factory):
    with running_edge(tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture(scope="module")
def left_open(edge: Edge) -> Iterator["Future[tuple[Said, float, float]]"]:
    """A head without an end, sent first of all: what is said, after how long, and when."""
    address = ("127.0.0.1", edge.port)
    with socket.create_connection(address, timeout=20) as line, ThreadPoolExecutor(1) as beside:
        begun = time.monotonic()
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        yield beside.submit(lambda: (heard(line), time.monotonic() - begun, clock.unix()))
        with contextlib.suppress(OSError):  # It is closed already, if it was waited for.
            line.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def with_nothing(django_db_setup, tmp_path_factory) -> Iterator["Future[tuple[Said, float]]"]:
    """What an edge says to a car without PostgreSQL and without its site, and when."""
    folder = tmp_path_factory.mktemp("alone")
    token = credentials.issue(Vehicle(), int(clock.unix()) + 60)

    def asked() -> tuple[Said, float]:
        with running_edge(folder, DATABASE_URL=DEAD, REDIS_URL="redis://localhost:1/0") as alone:
            return alone.ask("GET", CHECK, Authorization=f"Bearer {token}"), clock.unix()

    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(asked)


@pytest.fixture(autouse=True)
def _begun(left_open: object, with_nothing: object) -> None:
    """The other tests run while these are waited for."""


@pytest.fixture
def car() -> Car:
    made = make_car()
    made.sign_in()
    delivery.publish_lease_schedule("local")
    delivery.publish_catalog("local")
    return made


def bearer(car: Car) -> dict[str, str]:
    return {"Authorization": f"Bearer {car.token}"}


def dated(said: Said) -> None:
    """Each answer has one Date, and it is the product's."""
    told = parsedate_to_datetime(said.one("Date")).timestamp()
    assert abs(told - clock.unix()) < 5
    assert len(said.one("X-Request-ID")) >= 1
    assert "html" not in "".join(said.all("Content-Type"))


def problem(said: Said, status: int) -> Any:
    assert said.status == status, said
    assert said.one("Content-Type") == PROBLEM
    document = json.loads(said.body)
    assert document["status"] == status
    assert document["instance"] == f"urn:request:{said.one('X-Request-ID')}"
    dated(said)
    return document


def test_the_check_over_real_http(edge: Edge, car) -> None:
    with contextlib.closing(edge.connect()) as line:
        full = ask(line, "GET", CHECK, **bearer(car))
        assert full.status == 200
        dated(full)
        document = json.loads(full.body)
        assert document["vin"] == car.vehicle.vin
        assert full.one("Content-Type") == "application/json"
        kept = line.sock
        short = ask(line, "GET", CHECK, If_None_Match=full.one("ETag"), **bearer(car))
        assert line.sock is kept, "the connection is kept alive through 200 and 304"
    assert short.status == 304
    assert short.body == b""
    dated(short)
    for name in ("ETag", "Cache-Control"):
        assert short.one(name) == full.one(name)
    assert int(short.one("Poll-After")) > 0
    assert short.all("Content-Type") == short.all("Transfer-Encoding") == []


def test_head_is_get_without_its_body(edge: Edge, car) -> None:
    full = edge.ask("GET", CHECK, **bearer(car))
    head = edge.ask("HEAD", CHECK, **bearer(car))
    assert head.status == 200
    assert head.body == b""
    assert head.one("ETag") == full.one("ETag")
    assert head.one("Content-Length") == full.one("Content-Length")
    assert edge.ask("HEAD", CHECK).status == 401


def test_every_refusal_is_a_problem_with_a_date(edge: Edge, car) -> None:
    problem(edge.ask("GET", CHECK), 401)
    problem(edge.ask("GET", CHECK, Authorization="Bearer x"), 401)
    problem(edge.ask("PUT", REPORT, "{}", Content_Type="application/json"), 401)
    problem(edge.ask("POST", CHECK, "{}", **bearer(car)), 405)
    problem(edge.ask("DELETE", CHECK), 405)
    problem(edge.ask("POST", "/vehicle/v1/token", "{}", Content_Type="application/json"), 415)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    problem(edge.ask("POST", "/vehicle/v1/token", "x", **form), 400)
    for path in ("/", "/nothing", f"{CHECK}/", "/vehicle/v1/token/", "/admin/", "/%2e%2e/x"):
        problem(edge.ask("GET", path), 404)


def test_a_report_and_a_code_over_real_http(edge: Edge, car) -> None:
    delivery.publish("local", now=clock.now())
    full = json.loads(edge.ask("GET", CHECK, **bearer(car)).body)
    said = {"version": full["version"], "catalog": full["catalog"], "result": "applied"}
    text = json.dumps({**said, "at": "2026-11-22T08:20:00Z"})
    thanked = edge.ask("PUT", REPORT, text, Content_Type="application/json", **bearer(car))
    assert (thanked.status, thanked.body) == (204, b"")
    assert thanked.all("Content-Length") == thanked.all("Allow") == [], "Django is not asked"
    dated(thanked)
    assert Report.objects.get(vehicle=car.vehicle).applied
    code = edge.ask("POST", "/vehicle/v1/pairing", **bearer(car))
    assert code.status == 200
    dated(code)
    never = json.dumps({**said, "version": 99, "at": "2026-11-22T08:20:00Z"})
    problem(edge.ask("PUT", REPORT, never, Content_Type="application/json", **bearer(car)), 422)


def test_a_token_over_real_http_for_an_assertion_that_is_then_spent(edge: Edge, car) -> None:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    form = urlencode({"grant_type": grant, "assertion": car.assertion()})
    given = edge.ask("POST", "/vehicle/v1/token", form, Content_Type=FORM)
    assert (given.status, given.one("Cache-Control")) == (200, "no-store")
    assert given.all("Allow") == [], "Django is not asked"
    dated(given)
    token = json.loads(given.body)["access_token"]
    assert edge.ask("GET", CHECK, Authorization=f"Bearer {token}").status == 200
    again = problem(edge.ask("POST", "/vehicle/v1/token", form, Content_Type=FORM), 400)
    assert again["error"] == "invalid_grant"


def test_a_fault_of_ours_is_a_problem_and_in_the_log(django_db_setup, car, tmp_path) -> None:
    with running_edge(tmp_path, DJANGO_SETTINGS_MODULE="tests.data.broken_edge") as broken:
        told = problem(broken.ask("GET", CHECK, **bearer(car)), 500)
        problem(broken.ask("GET", "/vehicle/v1/keys"), 500)
        assert told["instance"].removeprefix("urn:request:") in broken.log.read_text()


def test_the_date_follows_the_movable_clock(edge: Edge, settings) -> None:
    before = parsedate_to_datetime(edge.ask("GET", CHECK).one("Date"))
    clock.advance(DAY)
    try:
        for said in (edge.ask("GET", CHECK), edge.ask("GET", "/nothing")):
            after = parsedate_to_datetime(said.one("Date"))
            assert DAY <= (after - before).total_seconds() < DAY + 30
            dated(said)
    finally:
        Path(settings.CLOCK_FILE).write_text("0")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("car-17.a_B", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("<b>", False)],
)
@pytest.mark.parametrize("path", [CHECK, "/nothing"])
def test_a_request_id_is_kept_if_it_is_a_short_word(edge: Edge, path, given, kept) -> None:
    said = edge.ask("GET", path, X_Request_ID=given)
    assert (said.one("X-Request-ID") == given) is kept
    assert json.loads(said.body)["instance"] == f"urn:request:{said.one('X-Request-ID')}"


def test_a_handshake_of_websockets_is_answered_like_any_request(edge: Edge, car) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
    said = edge.ask("GET", CHECK, Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==", **upgrade)
    problem(said, 401)


def test_a_body_that_never_comes_holds_up_nobody(edge: Edge, car) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=5) as slow:
        slow.sendall(
            b"PUT /vehicle/v1/entitlement/report HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        )
        assert edge.ask("GET", CHECK, **bearer(car)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 300000000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + b"x" * 0x10001,
    ],
    ids=["announced", "chunked"],
)
def test_a_body_too_large_is_refused_before_all_of_it_has_come(edge: Edge, body: bytes) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=5) as line:
        line.sendall(b"POST /vehicle/v1/token HTTP/1.1\r\nHost: localhost\r\n" + body)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        said = Said(answer.status, answer.getheaders(), answer.read())
        assert line.recv(1) == b"", "the connection is closed"
    assert problem(said, 413)["type"].endswith(":too-large")


def test_a_chunked_body_that_is_not_too_large_is_read(edge: Edge) -> None:
    with contextlib.closing(edge.connect()) as line:
        chunks = iter([b" " * 0x8000] * 2)
        line.request("POST", "/vehicle/v1/token", chunks, {"Content-Type": FORM})
        answer = line.getresponse()
        assert json.loads(answer.read())["error"] == "invalid_request"
    assert answer.status == 400


def test_an_endless_header_is_refused_and_the_edge_goes_on(edge: Edge) -> None:
    refused = b""
    with socket.create_connection(("127.0.0.1", edge.port), timeout=5) as line:
        with contextlib.suppress(ConnectionError):  # It need not hear us out.
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 1_000_000)
            line.sendall(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            refused = line.recv(100)
    assert refused == b"" or refused.startswith(b"HTTP/1.1 4"), refused
    assert edge.ask("GET", "/livez").status == 200


def spoken(edge: Edge, *parts: bytes, pause: float = 0.0) -> Said:
    """What is answered to these parts of a request, after which the edge hangs up."""
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as line:
        for part in parts:
            with contextlib.suppress(ConnectionError):
                line.sendall(part)
            time.sleep(pause)
        return heard(line)


def heard(line: socket.socket) -> Said:
    """The answer on this line, after which the edge hangs up."""
    answer = http.client.HTTPResponse(line)
    answer.begin()
    said = Said(answer.status, answer.getheaders(), answer.read())
    assert line.recv(1) == b"", "the connection is closed"
    return said


def date(said: Said) -> float:
    """When it was said, by the edge's clock."""
    return parsedate_to_datetime(said.one("Date")).timestamp()


def moved(said: Said, at: float) -> float:
    """When it was said: meanwhile another test moves the clock by a day, and back."""
    return min((at, at - DAY, at + DAY), key=lambda each: abs(each - date(said)))


def refused(said: Said, status: int, at: float | None = None) -> None:
    """A refusal by the server itself, which no request has reached: dated, and a problem."""
    assert said.status == status
    assert said.one("Content-Type") == PROBLEM
    assert json.loads(said.body)["status"] == status
    assert abs(date(said) - (at or clock.unix())) < 5


def test_a_head_that_comes_in_pieces_is_bounded(edge: Edge) -> None:
    """Each piece is small, and none of them ends a header or begins a new request."""
    pieces = [b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ", *[b"x" * 10_000] * 7]
    refused(spoken(edge, *pieces, pause=0.02), 431)
    many = [b"GET /livez HTTP/1.1\r\nHost: x\r\n", *[b"X: y\r\n" * 1_500] * 8]
    refused(spoken(edge, *many, pause=0.02), 431)


@pytest.mark.begun_early
def test_a_head_that_does_not_end_is_given_up_after_ten_seconds(left_open) -> None:
    said, seconds, at = left_open.result()
    refused(said, 408, moved(said, at))
    assert 9 < seconds < 15


def test_chunks_without_end_and_without_content_are_bounded(edge: Edge) -> None:
    head = b"POST /vehicle/v1/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    extended = b"1;" + b"x" * 50_000 + b"\r\ny\r\n"
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as line:
        with contextlib.suppress(ConnectionError):
            line.sendall(head)
            for _ in range(40):
                line.sendall(extended)
                time.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            while line.recv(65_536):
                pass  # until the edge hangs up
    assert edge.ask("GET", "/livez").status == 200


def test_what_is_no_http_is_a_problem_too(edge: Edge) -> None:
    refused(spoken(edge, b"HELO edge\r\n\r\n"), 400)


def test_many_requests_may_follow_each_other_on_one_line(edge: Edge, car) -> None:
    """Their bytes are counted one by one: a long life is no large request."""
    with contextlib.closing(edge.connect()) as line:
        for _ in range(20):
            assert ask(line, "GET", "/livez", X="x" * 30_000).status == 200


def test_requests_that_were_sent_at_once_are_answered_in_order(edge: Edge, car) -> None:
    etag = edge.ask("GET", CHECK, **bearer(car)).one("ETag")
    token = f"Authorization: Bearer {car.token}\r\n"
    one = f"GET {CHECK} HTTP/1.1\r\nHost: x\r\n{token}If-None-Match: {etag}\r\n"
    text = f"{one}\r\n" * 3 + f"{one}Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as line:
        line.sendall(text.encode())
        said = b"".join(iter(lambda: line.recv(65_536), b""))
    assert said.count(b"HTTP/1.1 304 Not Modified\r\n") == 4
    assert said.count(b"connection: close") == 1
    assert said.endswith(b"\r\n\r\n")


# Servers that come and go


def test_it_answers_on_when_its_connections_were_cut(edge: Edge, settings) -> None:
    """As a restart of PostgreSQL does; the first call may find out, no later one may suffer."""
    car = make_car()
    token = credentials.issue(car.vehicle, int(clock.unix()) + 60)
    for _ in range(3):
        statuses = []
        for _ in range(2):
            with redis.Redis.from_url(settings.SITES["local"]) as site:
                site.flushdb()  # so that PostgreSQL is asked
            statuses.append(edge.ask("GET", CHECK, Authorization=f"Bearer {token}").status)
        assert statuses[0] in (200, 503)
        assert statuses[1] == 200
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchall()


def test_without_postgresql_the_check_goes_on_and_the_rest_says_not_now(car, tmp_path) -> None:
    delivery.publish("local", now=clock.now())
    with running_edge(tmp_path, DATABASE_URL=DEAD) as alone:
        full = alone.ask("GET", CHECK, **bearer(car))
        assert full.status == 200
        tag = {"If_None_Match": full.one("ETag"), **bearer(car)}
        assert alone.ask("GET", CHECK, **tag).status == 304

        late = credentials.issue(car.vehicle, int(clock.unix()) - 60)
        begun = time.monotonic()
        assert alone.ask("GET", CHECK, Authorization=f"Bearer {late}").status == 200
        assert time.monotonic() - begun < 12
        begun = time.monotonic()
        assert alone.ask("GET", CHECK, Authorization=f"Bearer {late}").status == 200
        assert time.monotonic() - begun < 1, "that it is away is not asked each time"

        said = {"version": 1, "catalog": 1, "result": "applied", "at": "2026-11-22T08:20:00Z"}
        refused = alone.ask(
            "PUT", REPORT, json.dumps(said), Content_Type="application/json", **bearer(car)
        )
        assert problem(refused, 503)["type"].endswith(":not-now")
        assert 3 <= int(refused.one("Retry-After")) <= 9


@pytest.mark.begun_early
def test_without_either_it_says_not_now(with_nothing) -> None:
    said, at = with_nothing.result()
    refused(said, 503, moved(said, at))
    assert json.loads(said.body)["type"].endswith(":not-now")
    assert json.loads(said.body)["instance"] == f"urn:request:{said.one('X-Request-ID')}"
    assert 3 <= int(said.one("Retry-After")) <= 9


def test_sigterm_ends_it_within_three_seconds(django_db_setup, tmp_path) -> None:
    with running_edge(tmp_path) as running, contextlib.closing(running.connect()) as line:
        assert ask(line, "GET", "/livez").status == 200  # and the connection stays open
        running.process.send_signal(signal.SIGTERM)
        try:
            running.process.wait(3)
        except subprocess.TimeoutExpired:
            pytest.fail("it still runs after 3 s")
        assert "Traceback" not in running.log.read_text()
