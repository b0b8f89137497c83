"""One car's page, and the part of it that asks again while something moves."""

from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing import checkout, clock, queries
from billing.catalog import Feature
from fleet import agreeing, entries, garage, lacks, learning, transfers, words
from fleet.views.pages import page


@require_safe
@page
def car(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """One car: what was paid, what the car has, what it could have."""
    now = clock.now()
    try:
        entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    except garage.NotInGarage:
        return _gone(request, vehicle_id)
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


def _gone(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Say of a car that was theirs that it is no more. Raises NotInGarage of any other."""
    context = {"name": words.car_name(entries.former(owner=request.user, vehicle_id=vehicle_id))}
    return render(request, "garage/gone.html", context, status=HTTPStatus.NOT_FOUND)


def _car_context(request: HttpRequest, entry: entries.Entry, *, now: datetime) -> dict[str, Any]:
    asked = request.GET.get("poll", "0")
    poll = words.poll(int(asked) if asked.isdecimal() and len(asked) < 4 else 0)
    returned = request.GET.get("checkout") == "done"
    back = request.GET.get("stripe") == "left"
    return {
        "card": words.card(entry, now=now, returned=returned, back=poll if back else None),
        "returned": returned,
        "poll": poll,
        "gains": words.gains(_features(entry)),
        "lacks": lacks.lacks(_premium(entry), entry.vehicle),
        **_buying(entry),
        "agreeing": agreeing.terms(entry.vehicle),
        "withdrawable_until": entry.withdrawable_until(now),
    }


def _buying(entry: entries.Entry) -> dict[str, Any]:
    """The prices to choose from; the one whose payment page stands open is gone on with."""
    if entry.hindrance:
        return {"offers": []}
    sold = queries.offers(currency=entry.vehicle.currency, sold=entry.sold)
    every = {price.lookup_key: words.offer(price) for price in sold}
    opened = every.pop(entry.standing.lookup_key, None)
    return {"offers": list(every.values()), "opened": opened, "saved": agreeing.saved(sold)}


def _features(entry: entries.Entry) -> tuple[Feature, ...]:
    """What Premium gives this very car: nothing where there is no modem to bring it."""
    vehicle, plan = entry.vehicle, entry.sold.plan(queries.PREMIUM)
    if plan is None or not vehicle.has_modem:
        return ()
    return plan.features_for(vehicle.traits, vehicle.id)


def _premium(entry: entries.Entry) -> tuple[Feature, ...]:
    plan = entry.sold.plan(queries.PREMIUM)
    return plan.features if plan and entry.vehicle.has_modem else ()
