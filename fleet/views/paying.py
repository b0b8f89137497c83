"""Buying, ending and resuming, and the way to Stripe's own pages; who may is fleet's to say."""

import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from billing import checkout, clock, portal, queries, renewal
from fleet import agreeing, entries, lines, words
from fleet.views.pages import away, page

log = logging.getLogger(__name__)
Change = Callable[..., None]


@require_POST
@page
def subscribe(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Open a payment page for this car and go there."""
    now = clock.now()
    back = reverse("garage:car", args=[vehicle_id])
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    try:
        entries.check_may_buy(entry)
        agreed = agreeing.agreed(
            entry.vehicle,
            queries.catalog().prices.get(request.POST.get("lookup_key", "")),
            asked_to_start="start_now" in request.POST,
        )
        url = checkout.start(
            payer=request.user,
            subject_id=vehicle_id,
            lookup_key=request.POST.get("lookup_key", ""),
            currency=entry.vehicle.currency,
            return_url=request.build_absolute_uri(f"{back}?checkout=done"),
            cancel_url=request.build_absolute_uri(f"{back}?checkout=left"),
            still_may=lambda: entries.check_owner(owner=request.user, vehicle_id=vehicle_id),
            agreed=agreed,
            now=now,
        )
    except agreeing.NotAsked:
        messages.error(request, agreeing.NOT_ASKED)
    except entries.MayNotBuy as error:
        messages.error(request, lines.hindrance(error.hindrance))
    except (checkout.AlreadySubscribed, checkout.SeatTaken) as error:
        messages.error(request, words.seat_refusal(error))
    except checkout.NotOnSale:
        messages.error(request, _("This price is no longer offered. Choose again."))
    except (checkout.StripeAway, checkout.StripeRefused) as error:
        log.error("No payment page for %s: %s", vehicle_id, error)  # noqa: TRY400 -- no traceback: Stripe's fault
        return away(request, back)
    else:
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)
    return redirect(back)


@require_http_methods(["GET", "HEAD", "POST"])
@page
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
    context = {
        "card": card,
        "until": words.paid_until(entry, now=now),
        "withdrawable_until": entry.withdrawable_until(now),
    }
    return render(request, "garage/cancel.html", context)


@require_POST
@page
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
    except renewal.TakenBack:
        messages.error(request, words.TAKEN_BACK)
    except renewal.StripeAway as error:
        log.warning("Renewal of %s is not confirmed yet: %s", vehicle_id, error)
        messages.info(request, words.BEING_CONFIRMED)
    except renewal.StripeRefused as error:
        log.error("Renewal of %s was refused: %s", vehicle_id, error)  # noqa: TRY400 -- no traceback: Stripe's word
        messages.error(request, words.RENEWAL_REFUSED)
    else:
        messages.success(request, done)
    return redirect("garage:car", vehicle_id)


@require_POST
@page
def portal_page(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Go to Stripe's own pages of whoever pays for this car; to the card alone if so asked."""
    back = reverse("garage:car", args=[vehicle_id])
    entries.entry(owner=request.user, vehicle_id=vehicle_id, now=clock.now())
    try:
        url = portal.url(
            payer=request.user,
            subject_id=vehicle_id,
            return_url=request.build_absolute_uri(f"{back}?stripe=left"),
            update_card="card" in request.POST,
        )
    except portal.NoCustomer:
        messages.info(request, words.NOT_SUBSCRIBED)
        return redirect(back)
    except (portal.StripeAway, portal.StripeRefused) as error:
        log.error("No portal for %s: %s", vehicle_id, error)  # noqa: TRY400 -- no traceback: Stripe's fault
        return away(request, back)
    return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)
