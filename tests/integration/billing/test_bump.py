"""Versions: one statement counts, tells each site, and is right when many count at once."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection, transaction

from billing import clock, subjects
from billing.models import Change, Subject
from billing.signals import grants_changed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard():
    ids: list[uuid.UUID] = []

    def hear(subject_ids, **_):
        ids.extend(subject_ids)

    grants_changed.connect(hear)
    yield ids
    grants_changed.disconnect(hear)


def test_each_site_is_told_each_version_and_the_listeners_all_ids(heard) -> None:
    first, second = (Subject.objects.create(id=uuid.uuid4()).pk for _ in range(2))
    unknown = uuid.uuid4()

    with transaction.atomic():
        subjects.bump([first, second, unknown], now=clock.now())
        subjects.bump([second], now=clock.now())
        told = list(Change.objects.order_by("id").values_list("subject_id", "site", "version"))
        assert heard == []

    versions = dict(Subject.objects.values_list("id", "version"))
    assert versions[second] == versions[first] + 1
    sites = list(settings.SITES)
    expected = [(each, site, versions[first]) for each in (first, second) for site in sites]
    assert sorted(told[: len(expected)], key=str) == sorted(expected, key=str)
    assert told[len(expected) :] == [(second, site, versions[second]) for site in sites]
    assert sorted(heard, key=str) == sorted([first, second, second], key=str)


def test_of_many_at_once_on_the_same_subjects_none_is_lost_and_none_waits_for_ever() -> None:
    ids = [Subject.objects.create(id=uuid.uuid4()).pk for _ in range(5)]
    before = dict(Subject.objects.values_list("id", "version"))

    def count(number: int) -> None:
        try:
            subjects.bump(ids if number % 2 else ids[::-1], now=clock.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(40)))

    after = dict(Subject.objects.values_list("id", "version"))
    assert after == {pk: version + 40 for pk, version in before.items()}
