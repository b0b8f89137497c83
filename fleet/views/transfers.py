"""Passing a car on: the seller offers it and may take it back, the buyer accepts or declines."""

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from billing import clock
from fleet import garage, transfers, words
from fleet.forms import AddressForm
from fleet.models import Transfer
from fleet.views.pages import page


@require_http_methods(["GET", "HEAD", "POST"])
@page
def offer(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Say what passing a car on means, and offer it to an address."""
    vehicle = garage.owned(owner=request.user, vehicle_id=vehicle_id)
    form = AddressForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            transfers.offer(
                owner=request.user,
                vehicle_id=vehicle_id,
                email=form.cleaned_data["email"],
                now=clock.now(),
            )
        except transfers.OfferedAlready:
            messages.info(request, _("This car is on offer already. Take that back first."))
            return redirect("garage:car", vehicle_id)
        except transfers.ToOneself:
            form.add_error("email", _("This is your own address. Enter the buyer's."))
        except transfers.TooMany:
            form.add_error(None, _("That is enough for a day. Try again tomorrow."))
        else:
            messages.success(request, _("Offered. We have emailed the buyer, and you a receipt."))
            return redirect("garage:car", vehicle_id)
    context = {"form": form, "vehicle": vehicle, "name": words.car_name(vehicle)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "garage/transfer.html", context, status=status)


@require_POST
@page
def take_back(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Take an offer back."""
    if transfers.take_back(owner=request.user, vehicle_id=vehicle_id, now=clock.now()):
        messages.success(request, _("Taken back: the car stays yours, and the buyer is told."))
    return redirect("garage:car", vehicle_id)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def offered(request: HttpRequest, token: str) -> HttpResponse:
    """What the mailed link opens: to accept one signs in, with whatever account."""
    now = clock.now()
    try:
        transfer = transfers.find(token)
        if request.method == "POST":
            return _answered(request, transfer, token)
    except transfers.NotOnOffer:
        return show_over(request, None)
    except transfers.ToOneself:
        return redirect("garage:car", transfer.vehicle_id)
    if transfer.state == Transfer.State.ACCEPTED and transfer.buyer_id == request.user.pk:
        return redirect("garage:car", transfer.vehicle_id)
    if not transfers.is_open(transfer, now=now):
        return show_over(request, transfer)
    own, until = transfers.comes_with(transfer.vehicle, now=now)
    context = {
        "transfer": transfer,
        "token": token,
        "name": words.car_name(transfer.vehicle),
        "until": words.instant(transfer.expires_at, now=now),
        "own": own,
        "own_until": words.instant(until, now=now) if until else "",
        "mine": transfer.seller_id == request.user.pk,
    }
    return render(request, "garage/transfer_offered.html", context)


def _answered(request: HttpRequest, transfer: Transfer, token: str) -> HttpResponse:
    """Do as the reader of the link has said. Raises NotOnOffer, ToOneself."""
    who = request.user if request.user.is_authenticated else None
    if "decline" in request.POST:
        transfers.decline(transfer=transfer, actor=who, now=clock.now())
        return show_declined(request)
    if who is None:
        return redirect("garage:offered", token)
    vehicle_id = transfers.accept(transfer=transfer, buyer=who, now=clock.now())
    messages.success(request, _("The car is yours now. We have emailed you and the seller."))
    return redirect("garage:car", vehicle_id)


def show_declined(request: HttpRequest) -> HttpResponse:
    """Say that the reader has said no."""
    return render(request, "garage/transfer_over.html", {"declined": True})


def show_over(request: HttpRequest, transfer: Transfer | None) -> HttpResponse:
    """Say that the link leads nowhere any more, and why as far as the reader may know."""
    state = transfer.state if transfer else ""
    if state == Transfer.State.OPEN:
        state = Transfer.State.EXPIRED  # Nobody has looked since its time was over.
    context = {"state": str(state)}
    return render(request, "garage/transfer_over.html", context, status=HTTPStatus.GONE)
