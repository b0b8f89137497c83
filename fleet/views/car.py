"""One car's page, and the part of it that asks again while something moves."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing import checkout, clock, queries
from billing.catalog import Feature
from fleet import agreeing, entries, learning, transfers, words
from fleet.models import Vehicle
from fleet.views.pages import page


@require_safe
@page
def car(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """One car: what was paid, what the car has, what it could have."""
    now = clock.now()
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    if request.GET.get("checkout") == "done":
        checkout.returned(payer=request.user, subject_id=vehicle_id, now=now)
    context = {
        **_car_context(request, entry, now=now),
        "learning": learning.of(entry.vehicle),
        "learning_poll": words.poll(0),
        **_offered(entry, now=now),
    }
    return render(request, "garage/car.html", context)


def _offered(entry: entries.Entry, *, now: datetime) -> dict[str, Any]:
    """The offer to pass the car on that waits for its buyer, if there is one."""
    found = transfers.of(entry.vehicle, now=now)
    until = words.instant(found.expires_at, now=now) if found else ""
    return {"transfer": found, "transfer_until": until}


@require_safe
@page
def status(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """The two lines of one car as a fragment, for a page that waits for them to change."""
    now = clock.now()
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    return render(request, "garage/status.html", _car_context(request, entry, now=now))


def _car_context(request: HttpRequest, entry: entries.Entry, *, now: datetime) -> dict[str, Any]:
    asked = request.GET.get("poll", "0")
    returned = request.GET.get("checkout") == "done"
    return {
        "card": words.card(entry, now=now, returned=returned),
        "returned": returned,
        "poll": words.poll(int(asked) if asked.isdecimal() and len(asked) < 4 else 0),
        "gains": words.gains(_features(entry.vehicle)),
        "offers": _offers(entry),
        "agreeing": agreeing.terms(entry.vehicle),
        "withdrawable_until": entry.withdrawable_until(now),
    }


def _offers(entry: entries.Entry) -> list[words.Offer]:
    """The prices to choose from; the one whose payment page stands open is gone on with."""
    if entry.hindrance:
        return []
    opened = entry.standing.lookup_key
    sold = queries.offers(currency=entry.vehicle.currency)
    return [words.offer(price) for price in sold if price.lookup_key != opened]


def _features(vehicle: Vehicle) -> tuple[Feature, ...]:
    """What Premium gives this very car: nothing where there is no modem to bring it."""
    return queries.features_for(vehicle.traits, vehicle.id) if vehicle.has_modem else ()
