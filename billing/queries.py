"""What other apps may ask of billing; reads only, and never Stripe."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Min, Q, QuerySet
from django.db.models.aggregates import Count

from billing import catalog as catalogue
from billing.catalog import Catalog, Feature, Price
from billing.entitlements import Entitlement, resolve
from billing.entitlements import Grant as Fact
from billing.models import (
    CatalogRevision,
    Change,
    DomainEvent,
    Intent,
    StripeEvent,
    Subject,
)

PREMIUM = "premium"
# For whoever joins the facts to rows of its own, in one statement and so of one moment: a relation
# (id, version, grants), grants as JSON: [plan, starts_at, ends_at or null, source], Unix seconds.
FACTS = """
    SELECT id, version, (
        SELECT coalesce(json_agg(json_build_array(
            plan, date_part('epoch', starts_at)::bigint,
            date_part('epoch', ends_at)::bigint, source
        ) ORDER BY starts_at, billing_grant.id), '[]')
        FROM billing_grant WHERE subject_id = billing_subject.id
    ) AS grants FROM billing_subject
"""
# For whoever counts rows of its own: the ids of who has been granted a plan (parameters: the plan,
# the instant twice).
HOLDERS = """
    SELECT subject_id FROM billing_grant
    WHERE plan = %s AND starts_at <= %s AND (ends_at IS NULL OR ends_at > %s)
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a subject: enough for the rule, with the version that names it."""

    version: int
    grants: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is sold, and the facts of some subjects: read once, for all who judge by them."""

    sold: Catalog
    facts: dict[UUID, Facts]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Something that should move: how many wait, and since when the oldest does."""

    what: str
    count: int
    oldest_at: datetime


def catalog() -> Catalog:
    """The catalogue that is published now."""
    row = CatalogRevision.objects.order_by("-revision").first()
    if row is None:
        raise LookupError("No catalogue is published; run `manage.py migrate`.")
    return catalogue.parse(row.document, revision=row.revision)


def catalog_document() -> tuple[int, dict[str, Any]]:
    """The number and the document of the catalogue that is published now, for whoever caches it."""
    return CatalogRevision.objects.order_by("-revision").values_list("revision", "document")[0]


def facts(subject_ids: Iterable[UUID]) -> dict[UUID, Facts]:
    """The facts of these subjects, in one statement and so of one moment."""
    versions: dict[UUID, int] = {}
    grants: defaultdict[UUID, list[Fact]] = defaultdict(list)
    rows = Subject.objects.filter(id__in=list(subject_ids)).values_list(
        "id", "version", *(f"grants__{name}" for name in ("plan", "starts_at", "ends_at", "source"))
    )
    for subject_id, version, plan, starts_at, ends_at, source in rows.order_by(
        "grants__starts_at", "grants__id"
    ):
        versions[subject_id] = version
        if plan is not None:
            ends = int(ends_at.timestamp()) if ends_at else None
            grants[subject_id].append(Fact(plan, int(starts_at.timestamp()), ends, source))
    return {
        subject_id: Facts(version, tuple(grants[subject_id]))
        for subject_id, version in versions.items()
    }


def picture(subject_ids: Iterable[UUID]) -> Picture:
    """What is needed to judge these subjects at any instant, in two statements."""
    return Picture(catalog(), facts(subject_ids))


def version(subject_id: UUID) -> int:
    """The version of all that the subject is told."""
    return Subject.objects.values_list("version", flat=True).get(id=subject_id)


def versions(subject_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The version of each of these subjects."""
    return dict(Subject.objects.filter(id__in=list(subject_ids)).values_list("id", "version"))


def entitlement(subject_id: UUID, traits: frozenset[str], *, now: datetime) -> Entitlement:
    """The verdict, straight from the rows."""
    found = facts([subject_id])
    grants = found[subject_id].grants if found else ()
    return resolve(grants, catalog(), traits, subject_id, int(now.timestamp()))


def offers(*, currency: str = "usd", sold: Catalog | None = None) -> list[Price]:
    """The prices at which Premium is sold in this currency, the shortest interval first.

    `sold` is the catalogue, given by who has it already.
    """
    prices = [each for each in (sold or catalog()).prices.values() if each.currency == currency]
    return sorted(prices, key=lambda price: price.unit_amount)


def features_for(traits: frozenset[str], subject_id: UUID) -> tuple[Feature, ...]:
    """What Premium adds for this subject, which has these traits."""
    plan = catalog().plan(PREMIUM)
    return plan.features_for(traits, subject_id) if plan else ()


def history(subject_id: UUID) -> QuerySet[DomainEvent]:
    """What happened to the money of a subject, newest first."""
    return DomainEvent.objects.filter(subject_id=subject_id).order_by("-at", "-id")


def unsent(site: str) -> tuple[int, datetime | None]:
    """How many changes a site has not been told, and since when the oldest waits."""
    counted = Change.objects.filter(site=site).aggregate(
        count=Count("id"), oldest=Min("created_at")
    )
    return counted["count"], counted["oldest"]


def backlog(now: datetime, *, patience: timedelta = timedelta(minutes=1)) -> list[Backlog]:
    """What should have moved by now and has not: inbox, parked events, intents, outbox.

    An event that never failed and is due only later waits on purpose.
    """
    limit = now - patience
    received = StripeEvent.objects.filter(state="received", received_at__lte=limit)
    waiting = (
        ("inbox", received.exclude(Q(attempts=0, next_attempt_at__gt=limit)), "received_at"),
        ("parked", StripeEvent.objects.filter(state="parked"), "received_at"),
        ("intents", Intent.objects.filter(answered_at=None, created_at__lte=limit), "created_at"),
        ("outbox", Change.objects.filter(created_at__lte=limit), "created_at"),
    )
    found = []
    for what, rows, field in waiting:
        counted = rows.aggregate(count=Count("id"), oldest=Min(field))
        if counted["count"]:
            found.append(Backlog(what, counted["count"], counted["oldest"]))
    return found
