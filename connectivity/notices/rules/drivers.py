"""Mails about additional drivers: each step is told to the driver and to the owner."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from connectivity.notices import outbox
from connectivity.notices.rules.mail import Mail, Reader, page
from fleet import drivers
from fleet.models import Driver


def invited(event: Any, _now: datetime) -> Iterator[Mail]:
    """The link; the owner has just asked for it."""
    driver = _driver(event)
    if driver is not None and driver.email:
        link = page("garage:invited", drivers.token(driver))
        yield _to_driver("driver_invited", driver, event, link=link)


def joined(event: Any, _now: datetime) -> Iterator[Mail]:
    """Both have it in writing who may see the car since when."""
    driver = _driver(event)
    if driver is not None:
        yield _to_driver("driver_joined", driver, event, mine=False)
        yield _to_owner("driver_joined", driver, event, mine=True)


def over(event: Any, _now: datetime) -> Iterator[Mail]:
    """Both are told, whoever ended it; that the car has left tells the owner another mail."""
    driver, how = _driver(event), event.kind.removeprefix("driver_")
    if driver is None:
        return
    facts = {"how": how, "joined": driver.joined_at is not None}
    if how != "declined":
        yield _to_driver("driver_over", driver, event, **facts)
    if how != "ended":
        yield _to_owner("driver_gone", driver, event, **facts)


def _driver(event: Any) -> Driver | None:
    related = Driver.objects.select_related("ownership__owner", "person")
    found = related.filter(pk=event.data.get("driver")).first()
    return found if found and (found.person or found.email) else None


def _to_owner(template: str, driver: Driver, event: Any, **more: Any) -> Mail:
    owner = driver.ownership.owner
    reader, vehicle_id = Reader(owner), driver.ownership.vehicle_id
    facts = {
        "car": reader.car(vehicle_id)["car"],
        "page": page("garage:drivers", vehicle_id),
        "driver": driver.person.email if driver.person else driver.email,
        "at": reader.moment(event.at),
    }
    return Mail(template, owner, {**facts, **more})


def _to_driver(template: str, driver: Driver, event: Any, **more: Any) -> Mail:
    """Who has no account yet reads what the owner reads."""
    owner = driver.ownership.owner
    known = driver.person or get_user_model().objects.filter(email=driver.email).first()
    reader, vehicle_id = Reader(known or owner), driver.ownership.vehicle_id
    facts = {
        "car": reader.car(vehicle_id)["car"],
        "page": page("garage:driven", vehicle_id),
        "owner": owner.email,
        "at": reader.moment(event.at),
        "until": reader.moment(driver.expires_at),
    }
    address = driver.person.email if driver.person else driver.email
    reads = outbox.language(known or owner)
    return Mail(template, known, {**facts, **more}, address=address, reads=reads)
