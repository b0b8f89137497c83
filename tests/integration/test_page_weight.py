"""What a first visit fetches: a page with all that it names, over HTTP, as production sends it."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
import requests
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from django.test.testcases import LiveServerThread

from tests.factories import make_car, make_user
from tests.integration.test_garage_pages import subscribe

LARGEST = 100_000  # bytes
# What is smaller than this grows when it is packed.
SMALL = 300  # bytes
# A page that names fewer is not what a browser shows.
FEWEST = 7
NOT_OURS = ["admin", "drf_spectacular_sidecar", "rest_framework"]


class Site(LiveServerThread):
    """Serves the site and its static files as gunicorn does: by WhiteNoise, from the manifest."""

    def __init__(self) -> None:
        super().__init__("localhost", lambda site: site)  # type: ignore[arg-type] # it is called


@pytest.fixture
def site(settings, tmp_path, transactional_db) -> Iterator[str]:
    settings.STATIC_ROOT = tmp_path
    backend = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = False
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=NOT_OURS)
    thread = Site()
    thread.start()
    assert thread.is_ready.wait(10)
    yield f"http://localhost:{thread.port}"
    thread.terminate()


def fetched(url: str, cookies: dict[str, str]) -> tuple[bytes, str]:
    """The bytes of an answer as they come over the wire, and the same as text."""
    headers = {"Accept-Encoding": "gzip"}
    answer = requests.get(url, headers=headers, cookies=cookies, stream=True, timeout=30)
    assert answer.status_code == 200, url
    wire = answer.raw.read(decode_content=False)
    if not answer.headers["Content-Type"].startswith("text/"):
        return wire, ""
    zipped = answer.headers.get("Content-Encoding") == "gzip"
    small = len(wire) < SMALL
    assert zipped or small, f"{url} is sent as it was written"
    return wire, requests.get(url, cookies=cookies, timeout=30).text


def weight(url: str, cookies: dict[str, str]) -> dict[str, int]:
    """How many bytes each thing takes that a browser fetches for this page."""
    wire, page = fetched(url, cookies)
    sizes = {url: len(wire)}
    wanted = {urljoin(url, name) for name in re.findall(r'(?:href|src)="(/static/[^"#]+)', page)}
    while wanted:
        name = wanted.pop()
        wire, text = fetched(name, {})
        sizes[name] = len(wire)
        inner = re.findall(r'url\("?([^")]+)"?\)', text) if ".css" in name else []
        wanted |= {urljoin(name, each) for each in inner} - sizes.keys()
    return sizes


def test_what_a_page_weighs_tells_nothing_of_its_secrets(site: str) -> None:
    """BREACH counts bytes: each answer has others at random, and each form's token is masked."""
    found = [fetched(f"{site}/accounts/login/", {}) for _ in range(8)]
    token = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
    assert len({token.findall(page)[0] for _, page in found}) == len(found)
    assert len({len(wire) for wire, _ in found}) > 3
    assert django_settings.SESSION_COOKIE_SAMESITE == "Lax"


def test_a_first_visit_is_small(site: str) -> None:
    owner = make_user()
    cars = [make_car(owner) for _ in range(30)]
    subscribe(cars[0], owner, "incomplete", paid_through=None)
    client = Client()
    client.force_login(owner)
    session = {django_settings.SESSION_COOKIE_NAME: client.cookies.popitem()[1].value}
    moving = (f"/garage/{cars[0].vehicle.id}/", "/garage/add/")
    for path in (
        "/",
        "/accounts/login/",
        "/garage/",
        *moving,
        "/billing/invoices/",
    ):
        cookies = {} if path in ("/", "/accounts/login/") else session
        sizes = weight(f"{site}{path}", cookies)
        assert len(sizes) >= FEWEST, sizes
        assert any("geist" in name for name in sizes)
        assert (path in moving) == any("htmx" in name for name in sizes)
        assert sum(sizes.values()) <= LARGEST, (path, sum(sizes.values()), sizes)
