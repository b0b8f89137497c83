"""A person's own data: what they agreed to, and a file of all that is kept of them."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing import agreements, clock, events
from connectivity.accounts.views import signed_in_just_now
from connectivity.law import export
from connectivity.law.wording import written
from fleet.formats import per_interval
from fleet.models import Vehicle
from fleet.words import car_name


@require_safe
@never_cache
@login_required
def data(request: HttpRequest) -> HttpResponse:
    """Say what can be had, and show what was agreed to when."""
    context = {"is_fresh": signed_in_just_now(request), "agreements": _agreed(request.user)}
    return render(request, "law/data.html", context)


@require_POST
@never_cache
@login_required
def download(request: HttpRequest) -> HttpResponse:
    """Hand out the file, to somebody who has just shown who they are; that it was is noted."""
    now = clock.now()
    if not signed_in_just_now(request):
        if get_adapter().get_reauthentication_methods(request.user):
            raise ReauthenticationRequired
        return redirect("law:data")
    events.record("data_exported", payer=request.user, actor=request.user, data={}, now=now)
    file = export.archive(request.user, now=now)
    name = f"premium-connectivity-{now:%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(file, content_type="application/zip", headers=headers)


def _agreed(person: Any) -> list[dict[str, Any]]:
    rows = list(agreements.of_payer(person)[:100])
    cars = Vehicle.objects.in_bulk([row.subject_id for row in rows])
    return [
        {
            "car": car_name(cars[row.subject_id]) if row.subject_id in cars else "",
            "at": written(row.at),
            "price": per_interval(row.unit_amount, row.currency, row.interval),
            "terms": row.terms,
            "words": [text for text in row.words.values() if text],
            "language": row.language,
        }
        for row in rows
    ]
