"""Whatever is sent, a car meets a problem document and never HTML, and nothing falls over."""

import json
import string
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectivity.settings import edge
from tests.factories import Car, make_car

pytestmark = pytest.mark.django_db
PROBLEM = "application/problem+json"
TOKEN, PAIRING = "/vehicle/v1/token", "/vehicle/v1/pairing"
CHECK, REPORT, KEYS = (
    "/vehicle/v1/entitlement",
    "/vehicle/v1/entitlement/report",
    "/vehicle/v1/keys",
)
FORM = "application/x-www-form-urlencoded"
SAME_CAR = hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _as_the_edge(settings) -> None:
    settings.ROOT_URLCONF = edge.ROOT_URLCONF
    settings.MIDDLEWARE = edge.MIDDLEWARE
    settings.TEMPLATES = edge.TEMPLATES
    settings.DEBUG = edge.DEBUG
    settings.DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True


@pytest.fixture
def car() -> Car:
    made = make_car()
    made.sign_in()
    return made


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def send(client: Client, method: str, path: str, data: bytes = b"", kind: str = "", **headers: str):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.generic(method, path, data, content_type=kind, headers=names)


def problem(answer, status: int) -> Any:
    """The members that the contract names, each as it should be."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == PROBLEM
    document = json.loads(answer.content)
    assert {"type", "title", "status", "detail", "instance"} <= set(document)
    assert document["type"].startswith("urn:premium-connectivity:problem:")
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["instance"].startswith("urn:request:")
    assert len(document["instance"]) > len("urn:request:")
    return document


# Each kind of refusal


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PAIRING), ("PUT", REPORT), ("GET", CHECK), ("HEAD", CHECK)]
)
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic dTpw", "x" * 5_000, "Bearer ä"]
)
def test_401(client, method: str, path: str, header: str) -> None:
    answer = send(client, method, path, b"{}", "application/json", Authorization=header)
    if method == "HEAD":
        assert answer.status_code == 401
    else:
        assert problem(answer, 401)["type"].endswith(":token-invalid")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/vehicle",
        "/vehicle/v1/",
        f"{CHECK}/",
        f"{TOKEN}/",
        "/vehicle/v2/token",
        "/admin/",
        "/%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_404(client, method: str, path: str) -> None:
    assert problem(send(client, method, path), 404)["type"].endswith(":not-found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [(TOKEN, "POST"), (PAIRING, "POST"), (CHECK, "GET"), (REPORT, "PUT"), (KEYS, "GET")],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_405(client, car, path: str, allowed: str, method: str) -> None:
    if method == allowed:
        return
    answer = send(client, method, path, Authorization=f"Bearer {car.token}")
    assert problem(answer, 405)["type"].endswith(":method-not-allowed")
    assert allowed in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", TOKEN, "application/json"),
        ("POST", TOKEN, "multipart/form-data; boundary=x"),
        ("POST", TOKEN, "text/plain"),
        ("POST", TOKEN, "nonsense"),
        ("PUT", REPORT, FORM),
        ("PUT", REPORT, "text/html"),
        ("PUT", REPORT, "application/xml"),
    ],
)
def test_415(client, car, method: str, path: str, kind: str) -> None:
    answer = send(client, method, path, b"{}", kind, Authorization=f"Bearer {car.token}")
    assert problem(answer, 415)["type"].endswith(":unsupported-media-type")


@pytest.mark.parametrize("charset", ["utf-16", "base64", "rot13", "nonsense", "idna", ""])
def test_a_body_is_utf8_whatever_is_said_of_it(client, car, charset: str) -> None:
    said = {"version": 1, "catalog": 1, "result": "applied", "at": "2026-11-22T08:20:00Z"}
    kind = f"application/json; charset={charset}"
    answer = send(
        client, "PUT", REPORT, json.dumps(said).encode(), kind, Authorization=f"Bearer {car.token}"
    )
    assert answer.status_code == 204


def test_413(client, car) -> None:
    for method, path, kind in (("PUT", REPORT, "application/json"), ("POST", TOKEN, FORM)):
        huge = b" " * (64 * 1024 + 1)
        answer = send(client, method, path, huge, kind, Authorization=f"Bearer {car.token}")
        assert problem(answer, 413)["type"].endswith(":too-large")


def test_a_fault_of_ours_is_a_problem_too(client, settings) -> None:
    settings.LEASE_SIGNING_KEYS = ["no key at all"]
    document = problem(send(client, "GET", KEYS), 500)
    assert document["type"].endswith(":server-error")
    assert "Traceback" not in json.dumps(document)
    assert "key at all" not in json.dumps(document)


def test_the_id_of_the_request_is_the_one_in_the_logs(client) -> None:
    answer = send(client, "GET", CHECK, X_Request_ID="car-17")
    assert problem(answer, 401)["instance"] == "urn:request:car-17"


# Anything at all

paths = st.sampled_from([TOKEN, PAIRING, CHECK, REPORT, KEYS])
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
kinds = st.sampled_from(["application/json", FORM, "text/plain", "", "application/json; charset=x"])
words = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
reports = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("version", "catalog", "result", "reason", "at"), documents),
)


def unharmed(answer) -> None:
    assert answer.status_code < 500 or answer.status_code == 503, answer.content
    assert "html" not in answer.headers.get("Content-Type", "")
    if answer.status_code >= 400 and answer.content:
        problem(answer, answer.status_code)


@given(methods, paths, kinds, st.binary(max_size=200))
@example("POST", TOKEN, FORM, b"grant_type=%ff%00&assertion=%ff")
@example("POST", TOKEN, FORM, b"&".join(b"%d=1" % n for n in range(2_000)))
@SAME_CAR
def test_any_bytes(client, car, method, path, kind, data) -> None:
    unharmed(send(client, method, path, data, kind, Authorization=f"Bearer {car.token}"))


@given(documents | reports)
@example({"version": 1, "catalog": 1, "result": "applied", "at": "0000-00-00T00:00:00Z"})
@example({"version": 1, "catalog": 1, "result": "applied", "at": "9999-12-31T23:59:60Z"})
@SAME_CAR
def test_any_report(client, car, document) -> None:
    data = json.dumps(document).encode("utf-8", "surrogatepass")
    answer = send(
        client, "PUT", REPORT, data, "application/json", Authorization=f"Bearer {car.token}"
    )
    unharmed(answer)


@given(words, words, words)
@SAME_CAR
def test_any_headers(client, car, authorization, held, accept) -> None:
    unharmed(send(client, "GET", CHECK, Authorization=authorization, If_None_Match=held))
    right: dict[str, Any] = {"Authorization": f"Bearer {car.token}"}
    unharmed(send(client, "GET", CHECK, If_None_Match=held, Accept=accept, **right))
    unharmed(send(client, "GET", KEYS, Accept=accept))
    unharmed(send(client, "POST", PAIRING, b"", accept, **right))


@given(st.text(string.printable, max_size=60), st.text(string.printable, max_size=60))
@SAME_CAR
def test_any_form(client, grant, assertion) -> None:
    form = f"grant_type={grant}&assertion={assertion}".encode()
    unharmed(send(client, "POST", TOKEN, form, FORM))


@given(st.text(string.ascii_letters + string.digits + "/%._-~", max_size=40))
@SAME_CAR
def test_any_path(client, path) -> None:
    answer = send(client, "GET", f"/{path.lstrip('/')}")
    assert answer.status_code in (200, 401, 404, 405, 503)
    if answer.status_code == 404:
        problem(answer, 404)
