"""`manage.py rotate_lease_keys`: lets the next key sign leases, or removes one that has leaked."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing import clock
from fleet import delivery, rotation, signing
from fleet.signing import Schedule
from fleet.snapshots import SiteAway


class Command(BaseCommand):
    """Exit status: 0, it is so now, whether it was before or not; 1, it was refused."""

    help = (
        "Schedules the next key of LEASE_SIGNING_KEYS to sign leases in two days; what the key "
        "before it has signed stays good. Running it again changes nothing until there is another "
        "new key. Each run shows all keys."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what is to be removed."""
        parser.add_argument(
            "--emergency-remove",
            metavar="KID",
            help="publish this key no more, at once: its leases are void, and every car gets a "
            "new lease at its next check",
        )
        parser.add_argument("--reason", default="", help="why it is removed; it is on record")
        parser.add_argument("--show", action="store_true", help="change nothing, show all keys")

    def handle(
        self, *_: Any, emergency_remove: str | None, reason: str, show: bool, **__: Any
    ) -> None:
        """Run it."""
        now = clock.now()
        try:
            if emergency_remove:
                self._remove(emergency_remove, reason, now)
            elif not show:
                self._rotate(now)
        except (rotation.Busy, rotation.Refused) as error:
            raise CommandError(str(error)) from error
        if not show:
            self._publish()
        self._list(rotation.schedule(), int(now.timestamp()))

    def _rotate(self, now: datetime) -> None:
        key, fresh = rotation.rotate(now=now)
        if key is None:
            said = (
                "Nothing to do: LEASE_SIGNING_KEYS has no key that has not signed yet. To rotate, "
                "put a new seed first, restart every process with it, and run this again."
            )
        elif fresh:
            said = (
                f"{key.kid} signs from {_at(key.since)} on. Until then every process is to have "
                "its seed in LEASE_SIGNING_KEYS."
            )
        else:
            said = f"Nothing to do: {key.kid} is to sign from {_at(key.since)} on already."
        self.stdout.write(said)

    def _remove(self, kid: str, reason: str, now: datetime) -> None:
        if rotation.remove(kid=kid, reason=reason, now=now):
            said = (
                f"{kid} is removed. Its leases are void wherever the keys are fetched anew; every "
                "car gets a new lease at its next check. Take its seed out of LEASE_SIGNING_KEYS."
            )
        else:
            said = f"Nothing to do: {kid} was removed before."
        self.stdout.write(said)

    def _publish(self) -> None:
        for site in settings.SITES:
            try:
                delivery.publish_lease_schedule(site)
            except SiteAway:
                self.stderr.write(f"{site}: does not answer. It is told as soon as it does.")

    def _list(self, schedule: Schedule, now: int) -> None:
        ours = signing.seeds()
        for kid in signing.published(schedule, now=now):
            seed = "" if kid in ours else "  (its seed is not in LEASE_SIGNING_KEYS here)"
            self.stdout.write(f"  {kid}  {_state(schedule, kid, now)}{seed}")
        for kid in sorted(schedule.removed):
            seed = "  (its seed is still in LEASE_SIGNING_KEYS here)" if kid in ours else ""
            self.stdout.write(f"  {kid}  removed{seed}")


def _state(schedule: Schedule, kid: str, now: int) -> str:
    since = next((key.since for key in schedule.keys if key.kid == kid), None)
    if since is None:
        return "next: not scheduled yet"
    if since > now:
        return f"next: signs from {_at(since)} on"
    until = schedule.until(kid)
    if until is None or now < until - signing.LIFETIME - signing.SLACK:
        return f"current: signs since {_at(since)}"
    return f"previous: published until {_at(until)}"


def _at(instant: int) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M:%S} UTC"
