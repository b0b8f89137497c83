"""HTTP for money: Stripe's webhook, and a payer's invoices."""

import structlog
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from billing import clock, gateway, invoices, tasks, webhooks
from billing.models import StripeEvent

log = structlog.get_logger()
LARGEST = 1024 * 1024  # bytes; Stripe's events are a few dozen kilobytes


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Receive an event: 200 once it is stored, whatever it is; 400 if Stripe did not sign it.

    Should the queue be away the sweep finds the row; should PostgreSQL be away the error's 500
    makes Stripe send it again.
    """
    if int(request.headers.get("Content-Length") or 0) > LARGEST:
        return _plain(413, "The body is larger than 1 MiB; events of Stripe are not.")
    signature, now = request.headers.get("Stripe-Signature", ""), clock.now()
    try:
        event = webhooks.receive(request.body, signature, now=now, wall=clock.wall())
    except gateway.SignatureInvalid:
        return _plain(400, "The signature does not fit: check the endpoint's secret and the time.")
    except ValueError:
        return _plain(400, "The body is not an event.")
    if event.state == StripeEvent.State.RECEIVED and event.next_attempt_at <= now:
        _enqueue(event)
    return _plain(200, "")


@login_required
@require_safe
def invoice_list(request: HttpRequest) -> HttpResponse:
    """All invoices of the person signed in, across their cars."""
    pages = Paginator(invoices.of_payer(request.user), 50)
    page = pages.get_page(request.GET.get("page"))
    return render(request, "billing/invoices.html", {"page": page})


def _enqueue(event: StripeEvent) -> None:
    try:
        if webhooks.is_renewal(event):
            tasks.record_renewals.delay_on_commit()
        else:
            tasks.process_event.delay_on_commit(event.pk)
    except Exception:  # The broker's errors are many; a lost message is a delay, never a loss.
        log.exception("enqueue_failed", event_id=event.pk)


def _plain(status: int, text: str) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
