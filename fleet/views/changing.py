"""Another period for what is paid, and the way out of a contract that was just made."""

import logging
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from billing import clock, switching, withdrawal
from fleet import entries, words
from fleet.views.pages import away, page

log = logging.getLogger(__name__)
LONGEST = 12  # digits


@require_http_methods(["GET", "HEAD", "POST"])
@page
def switch(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Show what the other period costs, and switch to it for just that amount."""
    now = clock.now()
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    if request.method != "POST":
        return _show(request, entry, now=now)
    try:
        switched = switching.switch(
            payer=request.user,
            subject_id=vehicle_id,
            to=request.POST.get("to", ""),
            unit_amount=_number(request.POST.get("unit_amount", "")),
            proration_date=_number(request.POST.get("proration_date", "")),
            now=now,
        )
    except switching.Stale:
        messages.info(request, words.SHOWN_ANEW)
        return redirect("garage:switch", vehicle_id)
    except switching.Declined as error:
        return show_declined(request, entry, error.pay_url, now=now)
    except switching.NotNow:
        messages.error(request, words.SWITCH_REFUSED)
    except switching.StripeAway as error:
        log.warning("Switch of %s is not confirmed yet: %s", vehicle_id, error)
        messages.info(request, words.BEING_CONFIRMED)
    except switching.StripeRefused as error:
        log.error("Switch of %s was refused: %s", vehicle_id, error)  # noqa: TRY400 -- no traceback: Stripe's word
        messages.error(request, words.RENEWAL_REFUSED)
    else:
        messages.success(request, _switched(entry) if switched else _("It is so already."))
    return redirect("garage:car", vehicle_id)


def _switched(entry: entries.Entry) -> str:
    """Acknowledge a switch, from the period that was paid by before."""
    if entry.standing.interval == "month":
        return _("Switched. You now pay by the year.")
    return _("Switched. You pay by the month next.")


def _show(request: HttpRequest, entry: entries.Entry, *, now: datetime) -> HttpResponse:
    vehicle_id = entry.vehicle.id
    try:
        quote = switching.quote(payer=request.user, subject_id=vehicle_id, now=now)
    except switching.NotNow:
        messages.info(request, words.SWITCH_REFUSED)
        return redirect("garage:car", vehicle_id)
    except (switching.StripeAway, switching.StripeRefused) as error:
        log.error("No preview for %s: %s", vehicle_id, error)  # noqa: TRY400 -- no traceback: Stripe's fault
        return away(request, reverse("garage:car", args=[vehicle_id]))
    return show_quote(request, entry, quote, now=now)


def show_quote(
    request: HttpRequest, entry: entries.Entry, quote: switching.Quote, *, now: datetime
) -> HttpResponse:
    """Show what Stripe says the switch costs."""
    context = {"card": words.card(entry, now=now), "quote": quote, "terms": words.terms(quote)}
    return render(request, "garage/switch.html", context)


def show_declined(
    request: HttpRequest, entry: entries.Entry, pay_url: str, *, now: datetime
) -> HttpResponse:
    """Say that the payment was not made, and what can be done."""
    context = {"card": words.card(entry, now=now), "pay_url": pay_url}
    return render(request, "garage/declined.html", context)


def _number(text: str) -> int:
    """A number that the form kept; nonsense is none that was ever shown, so it is shown anew."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < LONGEST else 0


@require_http_methods(["GET", "HEAD", "POST"])
@page
def withdraw(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Say what withdrawing from the contract means, then do it; nobody is asked why."""
    now = clock.now()
    entry = entries.entry(owner=request.user, vehicle_id=vehicle_id, now=now)
    last = entry.withdrawable_until(now)
    if last is None:
        messages.info(request, words.NOTHING_TO_WITHDRAW_FROM)
        return redirect("garage:car", vehicle_id)
    if request.method != "POST":
        context = {"card": words.card(entry, now=now), "until": words.instant(last, now=now)}
        return render(request, "garage/withdraw.html", context)
    try:
        withdrawal.withdraw(payer=request.user, subject_id=vehicle_id, now=now)
    except withdrawal.NothingToWithdrawFrom:
        messages.info(request, words.NOTHING_TO_WITHDRAW_FROM)
    else:
        messages.success(request, words.withdrawn(now))
    return redirect("garage:car", vehicle_id)
