"""The garage's pages: asks the garage and the shop, and says what they answered."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import checkout, clock, queries, renewal
from billing.catalog import Feature
from fleet import entries, garage, lines, pairing, words
from fleet.forms import AddCarForm
from fleet.models import Vehicle

log = logging.getLogger(__name__)
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
Change = Callable[..., None]


def _page(view: View[P]) -> View[P]:
    """For signed-in people only, never cached; a car that is not theirs is not found."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except garage.NotInGarage:
            return render(request, "404.html", status=HTTPStatus.NOT_FOUND)

    return cast("View[P]", never_cache(login_required(wrapped)))


@require_safe
@_page
def garage_list(request: HttpRequest) -> HttpResponse:
    """All cars of the owner."""
    now = clock.now()
    cards = [
        words.card(entry, now=now) for entry in entries.vehicles_of(owner=request.user, now=now)
    ]
    return render(request, "garage/list.html", {"cards": cards})


@require_http_methods(["GET", "HEAD", "POST"])
@_page
def add(request: HttpRequest) -> HttpResponse:
    """Add a car by its VIN and the code on its screen."""
    form = AddCarForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        answer = _added(request, form)
        if answer is not None:
            return answer
    form.focus()
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "garage/add.html", {"form": form}, status=status)


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
        return render(request, "garage/claimed.html", {"days": garage.SILENCE.days})
    messages.success(request, _("Your car is in your garage."))
    return redirect("garage:car", outcome.vehicle.pk)


@require_safe
@_page
def car(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """One car: what was paid, what the car has, what it could have."""
    now = clock.now()
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    if request.GET.get("checkout") == "done":
        checkout.returned(payer=request.user, subject_id=vehicle_id, now=now)
    return render(request, "garage/car.html", _car_context(request, entry, now=now))


@require_safe
@_page
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
    }


def _offers(entry: entries.Entry) -> list[words.Offer]:
    """The prices to choose from; the one whose payment page stands open is gone on with."""
    if entry.hindrance:
        return []
    opened = entry.standing.lookup_key
    return [words.offer(price) for price in queries.offers() if price.lookup_key != opened]


def _features(vehicle: Vehicle) -> tuple[Feature, ...]:
    """What Premium gives this very car: nothing where there is no modem to bring it."""
    return queries.features_for(vehicle.traits) if vehicle.has_modem else ()


@require_POST
@_page
def subscribe(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Open a payment page for this car and go there."""
    now = clock.now()
    page = reverse("garage:car", args=[vehicle_id])
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    try:
        entries.check_may_buy(entry)
        url = checkout.start(
            payer=request.user,
            subject_id=vehicle_id,
            lookup_key=request.POST.get("lookup_key", ""),
            return_url=request.build_absolute_uri(f"{page}?checkout=done"),
            cancel_url=request.build_absolute_uri(f"{page}?checkout=left"),
            still_may=lambda: entries.check_owner(owner=request.user, vehicle_id=vehicle_id),
            now=now,
        )
    except entries.MayNotBuy as error:
        messages.error(request, lines.hindrance(error.hindrance))
    except (checkout.AlreadySubscribed, checkout.SeatTaken) as error:
        messages.error(request, words.seat_refusal(error))
    except checkout.NotOnSale:
        messages.error(request, _("This price is no longer offered. Choose again."))
    except (checkout.StripeAway, checkout.StripeRefused) as error:
        log.error("No payment page for %s: %s", vehicle_id, error)  # noqa: TRY400 -- no traceback: Stripe's fault
        context = {"back": page}
        return render(request, "garage/away.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)
    return redirect(page)


@require_http_methods(["GET", "HEAD", "POST"])
@_page
def cancel(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Say what cancelling means, then do it; nobody is asked why."""
    now = clock.now()
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    if request.method == "POST":
        done = _("Premium is cancelled. Nothing more is charged.")
        return _renew(request, vehicle_id, renewal.stop, done, now=now)
    card = words.card(entry, now=now)
    if not card.cancellable:
        return redirect("garage:car", vehicle_id)
    context = {"card": card, "until": words.paid_until(entry, now=now)}
    return render(request, "garage/cancel.html", context)


@require_POST
@_page
def keep(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Undo a cancellation."""
    now = clock.now()
    entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    done = _("You keep Premium. It renews as before.")
    return _renew(request, vehicle_id, renewal.resume, done, now=now)


def _renew(
    request: HttpRequest, vehicle_id: UUID, change: Change, done: str, *, now: datetime
) -> HttpResponse:
    """Make the change and go back to the car's page, which says how things stand."""
    try:
        change(payer=request.user, subject_id=vehicle_id, now=now)
    except renewal.NotSubscribed:
        messages.info(request, words.NOT_SUBSCRIBED)
    except renewal.StripeAway as error:
        log.warning("Renewal of %s is not confirmed yet: %s", vehicle_id, error)
        messages.info(request, words.BEING_CONFIRMED)
    except renewal.StripeRefused as error:
        log.error("Renewal of %s was refused: %s", vehicle_id, error)  # noqa: TRY400 -- no traceback: Stripe's word
        messages.error(request, words.RENEWAL_REFUSED)
    else:
        messages.success(request, done)
    return redirect("garage:car", vehicle_id)


@require_http_methods(["GET", "HEAD", "POST"])
@_page
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
@_page
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
