"""The catalogue's revisions: each change is made from the newest one and is the next number.

It must never know why the catalogue changes, nor Stripe. A feature with a `share` is being rolled
out (see Note [Shares] in billing.catalog), or has been; it stays in the catalogue, with its share,
whatever else is published, until somebody takes it out by name.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from billing import catalog
from billing.models import CatalogRevision, DomainEvent

Document = dict[str, Any]


class FeatureIsThere(ValueError):
    """The catalogue has a feature of this code already."""


class FeatureIsMissing(LookupError):
    """The catalogue has no feature of this code that is being rolled out."""


def publish(document: Document, *, now: datetime) -> catalog.Catalog:
    """Publish a catalogue under the next number. Raises catalog.CatalogInvalid."""
    with transaction.atomic():
        last = _newest()
        return _write(last, _carried(last.document, document) if last else document, now=now)


def add_feature(
    entry: Mapping[str, Any], *, plan: str, actor: Any, now: datetime
) -> catalog.Catalog:
    """Have a new feature join a plan. Raises FeatureIsThere, catalog.CatalogInvalid."""
    with transaction.atomic():
        last = _existing()
        if entry["code"] in _codes(last.document):
            raise FeatureIsThere(f"The catalogue has a feature {entry['code']!r} already.")
        if plan not in {each["code"] for each in last.document["plans"]}:
            raise catalog.CatalogInvalid(f"No plan {plan!r} is sold.")
        document = _with(last.document, entry, {plan})
        return _write(last, document, actor=actor, now=now)


def change_feature(
    code: str, changed: Mapping[str, Any], *, actor: Any, now: datetime
) -> catalog.Catalog:
    """Change members of a feature that is being rolled out. Raises FeatureIsMissing."""
    with transaction.atomic():
        last = _existing()
        _require(last.document, code)
        features = [
            {**each, **changed} if each["code"] == code else each
            for each in last.document["features"]
        ]
        return _write(last, {**last.document, "features": features}, actor=actor, now=now)


def remove_feature(code: str, *, actor: Any, now: datetime) -> catalog.Catalog:
    """Take a feature that is being rolled out from all plans. Raises FeatureIsMissing."""
    with transaction.atomic():
        last = _existing()
        _require(last.document, code)
        return _write(last, _without(last.document, {code}), actor=actor, now=now)


def renumber(*, by: int, now: datetime) -> catalog.Catalog:
    """Publish the same catalogue under a number that is higher by so much."""
    with transaction.atomic():
        last = _existing()
        return _write(last, last.document, by=by, now=now)


def was_published(document: Document) -> bool:
    """Whether this was published before, whatever was being rolled out beside it."""
    published = CatalogRevision.objects.values_list("document", flat=True)
    return any(_agree(each, document) for each in published)


def _agree(published: Document, document: Document) -> bool:
    codes = _rolled_out(published)
    return _without(published, codes) == _without(document, codes)


def _newest() -> CatalogRevision | None:
    """The newest revision, to which nobody else adds one until the transaction ends.

    All wait for the oldest row, which is the same for all: who waited for the newest one would go
    on from it, though it is no longer the newest.
    """
    CatalogRevision.objects.select_for_update(no_key=True).order_by("revision").first()
    return CatalogRevision.objects.order_by("-revision").first()


def _existing() -> CatalogRevision:
    last = _newest()
    if last is None:
        raise LookupError("No catalogue is published; run `manage.py migrate`.")
    return last


def _write(
    last: CatalogRevision | None,
    document: Document,
    *,
    by: int = 1,
    actor: Any = None,
    now: datetime,
) -> catalog.Catalog:
    revision = last.revision + by if last else by
    published = catalog.parse(document, revision=revision)
    CatalogRevision.objects.create(revision=revision, document=document, published_at=now)
    DomainEvent.objects.create(
        kind="catalog_published", at=now, actor=actor, data={"revision": revision}
    )
    return published


def _carried(last: Document, document: Document) -> Document:
    """The document with what is being rolled out.

    Where it brings such a feature itself, the share counts on until it is the whole: a new version
    of this software is no reason to give a feature to all at once.
    """
    for entry in last["features"]:
        code = entry["code"]
        brought = code in _codes(document)
        if "share" not in entry or (brought and entry["share"] >= catalog.BUCKETS):
            continue
        plans = {each["code"] for each in last["plans"] if code in each["features"]}
        document = _with(_without(document, {code}), entry, plans)
    return document


def _with(document: Document, entry: Mapping[str, Any], plans: Collection[str]) -> Document:
    return {
        **document,
        "features": [*document["features"], dict(entry)],
        "plans": [
            {**each, "features": [*each["features"], entry["code"]]}
            if each["code"] in plans
            else each
            for each in document["plans"]
        ],
    }


def _without(document: Document, codes: Collection[str]) -> Document:
    return {
        **document,
        "features": [each for each in document["features"] if each["code"] not in codes],
        "plans": [
            {**each, "features": [code for code in each["features"] if code not in codes]}
            for each in document["plans"]
        ],
    }


def _require(document: Document, code: str) -> None:
    if code not in _rolled_out(document):
        raise FeatureIsMissing(f"The catalogue rolls out no feature {code!r}.")


def _rolled_out(document: Document) -> set[str]:
    return {each["code"] for each in document["features"] if "share" in each}


def _codes(document: Document) -> set[str]:
    return {each["code"] for each in document["features"]}
