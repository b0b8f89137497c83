"""Fleet learning on a car's page: allowed in plain words, withdrawn with one click."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from billing import clock
from fleet import garage, words
from fleet import learning as rules
from fleet.views.pages import page


@require_http_methods(["GET", "HEAD", "POST"])
@page
def learning(request: HttpRequest, vehicle_id: UUID) -> HttpResponse:
    """Take the owner's word; or the part of the car's page, for one that waits for the car."""
    now = clock.now()
    if request.method != "POST":
        vehicle = garage.owned(owner=request.user, vehicle_id=vehicle_id)
        asked = request.GET.get("poll", "0")
        context = {
            "learning": rules.of(vehicle),
            "learning_poll": words.poll(int(asked) if asked.isdecimal() and len(asked) < 4 else 0),
            "vehicle": vehicle,
        }
        return render(request, "garage/learning.html", context)
    if "allow" in request.POST:
        try:
            rules.allow(
                owner=request.user, vehicle_id=vehicle_id, text=request.POST["allow"], now=now
            )
        except rules.OtherText:
            messages.info(request, _("These words have changed. Please read them anew."))
    else:
        rules.withdraw(owner=request.user, vehicle_id=vehicle_id, now=now)
    return redirect(reverse("garage:car", args=[vehicle_id]) + "#learning")
