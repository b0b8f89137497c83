"""The garage as a whole: its list, a car that comes, a car that goes, a claim that is denied."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import clock
from fleet import drivers, entries, garage, pairing, words
from fleet.forms import AddCarForm
from fleet.views.pages import page


@require_safe
@page
def garage_list(request: HttpRequest) -> HttpResponse:
    """All cars of the owner."""
    now = clock.now()
    cards = [
        words.card(entry, now=now) for entry in entries.vehicles_of(owner=request.user, now=now)
    ]
    driven = [(car, words.car_name(car)) for car in drivers.driven_by(request.user)]
    return render(request, "garage/list.html", {"cards": cards, "driven": driven})


@require_http_methods(["GET", "HEAD", "POST"])
@page
def add(request: HttpRequest) -> HttpResponse:
    """Add a car by its VIN and the code on its screen."""
    form = AddCarForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        answer = _added(request, form)
        if answer is not None:
            return answer
    return show_form(request, form)


def show_form(request: HttpRequest, form: AddCarForm) -> HttpResponse:
    """Ask for the VIN and the code, and say what was wrong with those that came."""
    form.focus()
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "garage/add.html", _typed(form), status=status)


def _typed(form: AddCarForm) -> dict[str, Any]:
    return {"form": form, "model": words.model_name(form.model)}


@require_POST
@page
def read_vin(request: HttpRequest) -> HttpResponse:
    """What the VIN that is being typed says by itself, as a fragment; no row is looked at."""
    form = AddCarForm(request.POST)
    form.is_valid()
    return render(request, "garage/vin.html", _typed(form))


def show_claim(request: HttpRequest) -> HttpResponse:
    """Say that the car has an owner, and what happens now."""
    return render(request, "garage/claimed.html", {"days": garage.SILENCE.days})


def _added(request: HttpRequest, form: AddCarForm) -> HttpResponse | None:
    """Try to add the car; None if the form now says what is wrong."""
    vin, code = form.cleaned_data["vin"], form.cleaned_data["code"]
    try:
        outcome = garage.add(owner=request.user, vin=vin, code=code, now=clock.now())
    except garage.AlreadyYours as error:
        messages.info(request, _("This car is in your garage already."))
        return redirect("garage:car", error.vehicle_id)
    except pairing.WrongCode:
        form.add_error("code", words.WRONG_CODE)
        return None
    except pairing.TooManyTries as error:
        form.add_error(None, words.too_many_tries(error.retry_at))
        return None
    if isinstance(outcome, garage.ClaimOpened):
        return show_claim(request)
    messages.success(request, _("Your car is in your garage."))
    return redirect("garage:car", outcome.vehicle.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def release(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Say what taking a car out of the garage means, then do it."""
    now = clock.now()
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    if request.method != "POST":
        return render(request, "garage/release.html", {"card": words.card(entry, now=now)})
    garage.release(owner=request.user, vehicle_id=vehicle_id, now=now)
    messages.success(request, _("The car is no longer in your garage."))
    return redirect("garage:list")


@require_POST
@page
def object_to(request: HttpRequest, vehicle_id: UUID, claim_id: int) -> HttpResponse:
    """Say that the car is still one's own."""
    try:
        garage.object_to(
            owner=request.user, vehicle_id=vehicle_id, claim_id=claim_id, now=clock.now()
        )
    except garage.ClaimClosed:
        messages.info(request, _("That claim has been settled already."))
    else:
        messages.success(
            request, _("Noted: the car stays yours. Our staff will look at the claim.")
        )
    return redirect("garage:car", vehicle_id)
