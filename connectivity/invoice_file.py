"""A payer's invoices as a file for a spreadsheet; which there are, billing says.

It must never name a car to anybody but whoever paid for it.
"""

import csv
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing import clock, invoices
from connectivity.amounts import state
from connectivity.car_names import car_names, named


@login_required
@require_safe
def download(request: HttpRequest) -> HttpResponse:
    """All invoices, the newest first: a date as ISO 8601 writes it, amounts with a point."""
    name = f"invoices-{clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    file = HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    file.write("\ufeff")  # Or else Excel takes it for another encoding.
    rows = list(invoices.of_payer(request.user))
    cars = car_names(rows)
    lines = csv.writer(file)
    lines.writerow(
        [
            _("Date"),
            _("Number"),
            _("Car"),
            _("Currency"),
            _("Total"),
            _("Tax"),
            _("Paid back"),
            _("State"),
            "PDF",
        ]
    )
    for row in rows:
        amounts = (row.total, row.tax, row.amount_refunded)
        lines.writerow(
            [
                f"{row.created_at:%Y-%m-%d}",
                row.number,
                named(cars, row.subscription.subject_id),
                row.currency.upper(),
                *(Decimal(amount).scaleb(-2) for amount in amounts),
                state(row.status),
                row.pdf_url,
            ]
        )
    return file
