"""Additional drivers: the owner invites and removes them, they accept, look and leave."""

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import clock, queries
from billing.catalog import STANDARD
from fleet import carlines, garage, lines, words
from fleet import drivers as rules
from fleet.forms import AddressForm
from fleet.models import Driver
from fleet.views.pages import page


@require_http_methods(["GET", "HEAD", "POST"])
@page
def drivers(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Who drives a car of one's own, and a form to invite one more."""
    vehicle, now = garage.owned(owner=request.user, vehicle_id=vehicle_id), clock.now()
    form = AddressForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _invited(request, vehicle_id, form):
        messages.success(request, _("Invited. We have emailed a link that is good for 14 days."))
        return redirect("garage:drivers", vehicle_id)
    found = rules.of(vehicle, now=now)
    context = {
        "form": form,
        "vehicle": vehicle,
        "name": words.car_name(vehicle),
        "drivers": [(each, words.instant(each.expires_at, now=now)) for each in found],
        "most": rules.MOST,
        "full": len(found) >= rules.MOST,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "garage/drivers.html", context, status=status)


def _invited(request: HttpRequest, vehicle_id: UUID, form: AddressForm) -> bool:
    """Invite them; False if the form now says why not."""
    email, now = form.cleaned_data["email"], clock.now()
    try:
        rules.invite(owner=request.user, vehicle_id=vehicle_id, email=email, now=now)
    except rules.ToOneself:
        form.add_error("email", _("This is your own address: you see the car already."))
    except rules.InvitedAlready:
        form.add_error("email", _("Whoever reads this address drives this car, or is invited to."))
    except rules.Full:
        form.add_error(None, _("This car has as many drivers as it may. Remove one first."))
    except rules.TooMany:
        form.add_error(None, _("That is enough for a day. Try again tomorrow."))
    return not form.errors


@require_POST
@page
def remove(request: HttpRequest, vehicle_id: UUID, driver_id: int) -> HttpResponse:
    """Take a driver, or an invitation, away."""
    gone = rules.remove(
        owner=request.user, vehicle_id=vehicle_id, driver_id=driver_id, now=clock.now()
    )
    if gone:
        messages.success(request, _("Removed. We tell them by email."))
    return redirect("garage:drivers", vehicle_id)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invited(request: HttpRequest, token: str) -> HttpResponse:
    """What the mailed link opens: to accept one signs in, with whatever account."""
    now = clock.now()
    try:
        driver = rules.find(token)
        if request.method == "POST":
            return _answered(request, driver, token)
    except rules.NotInvited:
        return show_over(request)
    except rules.ToOneself:
        return redirect("garage:drivers", driver.ownership.vehicle_id)
    if driver.state == Driver.State.JOINED and driver.person_id == request.user.pk:
        return redirect("garage:driven", driver.ownership.vehicle_id)
    if not rules.is_open(driver, now=now):
        return show_over(request)
    context = {
        "token": token,
        "name": words.car_name(driver.ownership.vehicle),
        "owner": driver.ownership.owner.email,
        "mine": driver.ownership.owner_id == request.user.pk,
        "vehicle_id": driver.ownership.vehicle_id,
        "until": words.instant(driver.expires_at, now=now),
    }
    return render(request, "garage/driver_invited.html", context)


def _answered(request: HttpRequest, driver: Driver, token: str) -> HttpResponse:
    """Do as the reader of the link has said. Raises NotInvited, ToOneself."""
    who = request.user if request.user.is_authenticated else None
    if "decline" in request.POST:
        rules.decline(driver=driver, actor=who, now=clock.now())
        return show_declined(request)
    if who is None:
        return redirect("garage:invited", token)
    vehicle_id = rules.join(driver=driver, person=who, now=clock.now())
    messages.success(request, _("Done. You find the car in your garage."))
    return redirect("garage:driven", vehicle_id)


def show_declined(request: HttpRequest) -> HttpResponse:
    """Say that the reader has said no."""
    return render(request, "garage/driver_over.html", {"declined": True})


def show_over(request: HttpRequest) -> HttpResponse:
    """Say that the link leads nowhere any more."""
    return render(request, "garage/driver_over.html", status=HTTPStatus.GONE)


@require_safe
@page
def driven(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """A car as its driver sees it: what it has and what is on its way, nothing of money."""
    now = clock.now()
    driver = rules.driven(person=request.user, vehicle_id=vehicle_id)
    vehicle = driver.ownership.vehicle
    since = {vehicle.id: driver.ownership.starts_at}
    [line] = carlines.car_lines([vehicle], now=now, owned_since=since).values()
    due = queries.entitlement(vehicle.id, vehicle.traits, now=now)
    features = queries.features_for(vehicle.traits, vehicle.id) if due.plan != STANDARD else ()
    context = {
        "vehicle": vehicle,
        "name": words.car_name(vehicle),
        "owner": driver.ownership.owner.email,
        "car": lines.car(line, now),
        "gains": words.gains(each for each in features if each.code in due.features),
    }
    return render(request, "garage/driven.html", context)


@require_POST
@page
def leave(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Drive it no more."""
    if rules.leave(person=request.user, vehicle_id=vehicle_id, now=clock.now()):
        messages.success(request, _("You no longer see this car. We tell its owner by email."))
    return redirect("garage:list")
