"""What an operator's Prometheus reads: true numbers, for nobody else, whatever is broken."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.http import Http404
from prometheus_client.parser import text_string_to_metric_families

from billing import clock, subjects
from billing.models import Change
from connectivity import metrics
from fleet import delivery
from fleet.models import Delivery, SiteState
from tests import factories
from tests.edge_server import running_edge
from tests.integration import test_stalls
from tests.running import ROOT, soon

OPERATIONS = ROOT / "docs" / "operations.md"
CHECK = "/vehicle/v1/entitlement"
TOKEN = "a secret that only Prometheus has"
Samples = dict[tuple[str, str], float]


def read(answer: Any) -> Samples:
    """Each sample by its name and its one label's value."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return parsed(answer.content.decode())


def parsed(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, "".join(sample.labels.values())] = sample.value
    return found


def whole(ask: Callable[[], Samples]) -> Samples:
    """What is said where all could be read: a busy machine may need longer than one answer."""
    found: list[Samples] = []

    def complete() -> bool:
        found.append(ask())
        return all(found[-1]["connectivity_source_up", name] for name in metrics.SOURCES)

    assert soon(complete)
    return found[-1]


@pytest.fixture
def site_of_all(settings, now) -> None:
    """A site that is away, was behind, is ahead of the rows and was not compared."""
    state = {"away_since": now, "rebuilding_since": now, "ahead": 3, "ahead_since": now}
    SiteState.objects.create(name="local", scrub_began_at=now - timedelta(days=1), **state)


@pytest.mark.django_db(transaction=True)
def test_it_says_what_waits_and_for_how_long_also_where_a_part_of_it_cannot_be_read(
    client, site_of_all
) -> None:
    earlier = clock.now() - timedelta(seconds=600)
    for make in test_stalls.KINDS.values():
        make(earlier)
    stuck, given_up = (factories.make_car().vehicle for _ in range(2))
    for at, (vehicle, retries) in enumerate([(stuck, 2), (given_up, Delivery.MOST)]):
        Delivery.objects.create(
            vehicle=vehicle,
            version=9,
            reference=f"STUCK-{at}",
            plan="premium",
            changed_at=earlier,
            state=Delivery.State.FAILED,
            stuck_at=earlier - timedelta(seconds=600 * at),
            retries=retries,
        )
    Change.objects.all().delete()
    subjects.bump([stuck.id, given_up.id], now=earlier)

    said = whole(lambda: read(client.get("/metrics")))

    counts = {"inbox": 1, "parked": 0, "intents": 1, "outbox": 2, "deliveries": 1, "mails": 1}
    for what, count in {**counts, "stuck": 2, "given_up": 1}.items():
        assert said["connectivity_waiting", what] == count, what
        age = said["connectivity_oldest_seconds", what]
        due = 1200 if what in ("stuck", "given_up") else 600 if count else 0
        assert due <= age < due + 60, (what, age)
    assert said["connectivity_site_waiting", "local"] == 2
    assert 600 <= said["connectivity_site_lag_seconds", "local"] < 660
    for name in ("away", "rebuilding", "scrub_late"):
        assert said[f"connectivity_site_{name}", "local"] == 1, name
    assert said["connectivity_site_ahead", "local"] == 3
    assert said["connectivity_lease_key_missing", ""] == 0

    # Somebody holds the table of mails: that part hangs, the rest is told, and in time.
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("LOCK TABLE notices_notice")
        began = time.monotonic()
        said = read(client.get("/metrics"))
        assert time.monotonic() - began < metrics.PATIENCE + 2
    assert said["connectivity_source_up", "queues"] == 0
    assert ("connectivity_waiting", "inbox") not in said
    assert said["connectivity_source_up", "sites"] == 1
    assert said["connectivity_site_waiting", "local"] == 2
    assert whole(lambda: read(client.get("/metrics")))


@pytest.mark.django_db(transaction=True)
def test_without_postgres_it_says_so_and_is_no_error(monkeypatch, client, caplog) -> None:
    def away() -> Any:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(metrics, "SOURCES", dict.fromkeys(metrics.SOURCES, away))

    said = read(client.get("/metrics"))

    assert {said["connectivity_source_up", name] for name in metrics.SOURCES} == {0}
    assert "could not be read" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_it_is_not_public(client, settings) -> None:
    settings.EMBEDDED = False
    assert client.get("/metrics").status_code == 404
    with pytest.raises(Http404):  # At the edge, which makes a problem document of it.
        factories.call("GET", "/metrics")

    settings.METRICS_TOKEN = TOKEN
    for wrong in ("", TOKEN, f"Bearer {TOKEN} ", "Bearer ", "Basic é"):
        assert client.get("/metrics", headers={"authorization": wrong}).status_code == 404
    assert read(client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}))
    # Once there is a token, it is needed at `make run` too.
    settings.EMBEDDED = True
    assert client.get("/metrics").status_code == 404
    assert factories.call("GET", "/metrics", authorization=f"Bearer {TOKEN}").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("edge")
def test_an_edge_counts_its_answers_and_the_docs_name_every_metric(tmp_path: Path) -> None:
    car = factories.make_car()
    car.sign_in()
    delivery.publish("local", now=clock.now())
    delivery.publish_catalog("local")
    with running_edge(tmp_path) as edge:
        bearer = {"Authorization": f"Bearer {car.token}"}
        full = edge.ask("GET", CHECK, **bearer)
        for _ in range(2):
            edge.ask("GET", CHECK, **bearer, If_None_Match=full.one("ETag"))
        edge.ask("GET", CHECK)
        told = whole(lambda: parsed(edge.ask("GET", "/metrics").body.decode()))

    counted = {label: n for (name, label), n in told.items() if "answers" in name}
    assert counted["304"] == 2
    assert counted["401"] == 1
    documented = set(re.findall(r"`(connectivity_\w+)`", OPERATIONS.read_text()))
    assert {name for name, _ in told} == documented
    assert django_settings.SITE in {label for name, label in told if "_site_" in name}
