"""What an operator's Prometheus is told by web and edge: what waits and for how long, each site.

Every number is read from the rows when it is asked for. A source that fails, or does not answer
in time, is absent and says so as `connectivity_source_up`; the answer itself never fails. It must
never name a car or a person.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from billing import clock
from connectivity import answers, stalls
from fleet import sites
from fleet.models import Delivery

log = logging.getLogger(__name__)
PATIENCE = 2.0  # seconds for all sources together; Prometheus gives up after ten
NO_PATIENCE = timedelta(0)
# What has metrics of its own; of all others zero is said too, or an alert could not end.
APART = {"lease_keys", "site_away", "site_ahead", "scrub"}
QUEUES = [*(what for what in stalls.WHAT_TO_DO if what not in APART), "stuck"]


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All of it as Prometheus' text, for who has the token; nobody else learns that it is there."""
    if not _may_see(request):
        raise Http404
    text = generate_latest(Gathered(SOURCES))
    return HttpResponse(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _may_see(request: HttpRequest) -> bool:
    """Without a token: anybody at `make run`, which listens to its own machine, else nobody."""
    if not settings.METRICS_TOKEN:
        return bool(settings.EMBEDDED)
    given = request.headers.get("Authorization", "")
    return constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}")


class Gathered(Collector):
    """What some sources say within PATIENCE, side by side."""

    def __init__(self, sources: "dict[str, Source]") -> None:
        """Take the sources by their names."""
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Ask each in a thread of its own, which is left behind if it hangs."""
        threads = ThreadPoolExecutor(len(self._sources), thread_name_prefix="metrics")
        running = {name: threads.submit(_asked, each) for name, each in self._sources.items()}
        wait(running.values(), PATIENCE)
        threads.shutdown(wait=False, cancel_futures=True)
        up = GaugeMetricFamily(
            "connectivity_source_up", "1 if it could be read.", labels=["source"]
        )
        for name, future in running.items():
            found = _found(name, future)
            up.add_metric([name], found is not None)
            yield from found or ()
        yield up
        yield from _answers()


def _asked(source: "Source") -> list[Metric]:
    try:
        return list(source())
    finally:
        connection.close()


def _found(name: str, future: Future[list[Metric]]) -> list[Metric] | None:
    try:
        return future.result(0)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the others are still told
        log.warning("The metrics of %s could not be read: %r", name, error)
        return None


def _queues() -> Iterator[Metric]:
    now = clock.now()
    stuck = Delivery.objects.filter(Delivery.STUCK).aggregate(count=Count("pk"), at=Min("stuck_at"))
    found = stalls.queues(now=now, patience=NO_PATIENCE)
    waiting = {what: (count, oldest_at) for what, count, oldest_at in found}
    waiting["stuck"] = (stuck["count"], stuck["at"] or now)
    counts = GaugeMetricFamily("connectivity_waiting", "How many wait.", labels=["what"])
    ages = GaugeMetricFamily(
        "connectivity_oldest_seconds", "For how long the oldest waits.", labels=["what"]
    )
    for what in QUEUES:
        count, oldest_at = waiting.get(what, (0, now))
        counts.add_metric([what], count)
        ages.add_metric([what], max((now - oldest_at).total_seconds(), 0))
    yield counts
    yield ages
    yield GaugeMetricFamily(
        "connectivity_lease_key_missing",
        "1 if this process lacks the seed of the newest lease key.",
        value=int("lease_keys" in waiting),
    )


def _sites() -> Iterator[Metric]:
    now, standings = clock.now(), sites.standings()
    told: tuple[tuple[str, str, Callable[[sites.Standing], float]], ...] = (
        ("site_waiting", "Changes that the site was not told.", lambda site: site.waiting),
        ("site_lag_seconds", "For how long the oldest waits.", lambda site: site.lag(now)),
        ("site_away", "1 if its Redis does not answer.", lambda site: bool(site.away_since)),
        ("site_rebuilding", "1 while it is told all.", lambda site: bool(site.rebuilding_since)),
        ("site_ahead", "Cars of which it is ahead of the rows.", lambda site: site.ahead),
        (
            "site_scrub_late",
            "1 if it was not compared with the rows for too long.",
            lambda site: bool(site.scrub_late_since(now)),
        ),
    )
    for name, meaning, value in told:
        family = GaugeMetricFamily(f"connectivity_{name}", meaning, labels=["site"])
        for site in standings:
            family.add_metric([site.site], value(site))
        yield family


def _answers() -> Iterator[Metric]:
    """What this edge has answered; a web has nothing to say here."""
    if answers.given:
        family = CounterMetricFamily(
            "connectivity_answers", "Answers to cars by this process.", labels=["status"]
        )
        for status, count in sorted(answers.given.copy().items()):
            family.add_metric([str(status)], count)
        yield family


Source = Callable[[], Iterable[Metric]]
SOURCES: dict[str, Source] = {"queues": _queues, "sites": _sites}
