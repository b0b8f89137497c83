"""A site that falls behind again: what an edge remembers of a car is not used past its time."""

from datetime import UTC, datetime

import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async

from billing import clock, grants
from fleet import credentials, delivery, snapshots
from fleet.snapshots import Snapshot
from tests.factories import make_car
from tests.reference import rows
from tests.reference.fleet import BEGAN
from tests.reference.wire import serving

pytestmark = pytest.mark.django_db


def test_what_the_rows_said_is_not_held_against_what_the_site_says(
    monkeypatch: pytest.MonkeyPatch, settings
) -> None:
    """The site says 1, the car has 2 from the rows, and 2 ends by time alone."""
    vehicle = make_car().vehicle
    starts_at, ends_at = (datetime.fromtimestamp(BEGAN + at, UTC) for at in (-100, 10))
    gift = grants.Gift(vehicle.id, "premium", "trial", starts_at, ends_at)
    grants.give(gift, now=starts_at)
    delivery.publish_lease_schedule("local")
    delivery.publish_catalog("local")
    now = BEGAN
    monkeypatch.setattr(clock, "unix", lambda: now)
    token = {"authorization": f"Bearer {credentials.issue(vehicle, now + 5_000)}"}
    facts, sold = rows.facts()[vehicle.id], rows.published()
    former = Snapshot(vehicle.id, 1, 1, False, facts.traits, (), ())

    def fall_behind() -> None:
        with redis.Redis.from_url(settings.SITES["local"]) as site:
            site.delete(snapshots.key(vehicle.id.bytes))
        snapshots.write("local", [former])

    async def ask() -> None:
        nonlocal now
        async with serving(monkeypatch, 1) as [line]:
            await sync_to_async(fall_behind)()
            assert b'"version":1' in (await line.ask(**token)).body
            tag = rows.etag(facts, sold, now)
            assert (await line.ask(if_none_match=tag, **token)).status == 304
            await sync_to_async(fall_behind)()
            now += 11
            said = await line.ask(if_none_match=tag, **token)
            assert said.status == 200
            assert said.headers["etag"] == rows.etag(facts, sold, now) != tag
            assert b'"plan":"standard"' in said.body

    async_to_sync(ask)()
