"""The public pages on which contracts end, and the page that a receipt leads to.

For everybody, signed in or not; the answer is the same whether there is such a contract or not.
"""

from http import HTTPStatus

import structlog
from allauth.core import ratelimit
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing import clock
from connectivity.law import declarations, tasks
from connectivity.law.forms import CancelForm, DeclarationForm, WithdrawForm
from connectivity.law.models import Declaration
from connectivity.law.seller import seller
from fleet.models import Ownership

log = structlog.get_logger()


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def cancel(request: HttpRequest) -> HttpResponse:
    """Cancel a contract: one page with what is to be said, and the button that declares it."""
    return _declare(request, CancelForm, "law/cancel.html")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def withdraw(request: HttpRequest) -> HttpResponse:
    """Withdraw from a contract: the statement, and the button that confirms it."""
    return _declare(request, WithdrawForm, "law/withdraw.html")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def declared(request: HttpRequest, token: str) -> HttpResponse:
    """What was declared, for whoever reads the receipt: carry it out now, or say it was not me."""
    declaration = declarations.by_token(token)
    if declaration is None:
        return render(request, "404.html", status=HTTPStatus.NOT_FOUND)
    if request.method != "POST":
        waits = declaration.state in Declaration.MOVING
        context = {"facts": declarations.facts_of(declaration), "waits": waits}
        return render(request, "law/declared.html", {**context, "state": declaration.state})
    if "deny" in request.POST:
        done = declarations.deny(declaration, now=clock.now())
        said = _("Noted: you did not declare this. Nothing is withdrawn from.")
    else:
        done = declarations.confirm(declaration, now=clock.now())
        _enqueue(declaration)
        said = _("Confirmed. It is being carried out now; you get an email with what you get back.")
    if done:
        messages.success(request, said)
    else:
        messages.info(request, _("This has been decided already."))
    return redirect("law:declared", token)


def _declare(request: HttpRequest, form_class: type[DeclarationForm], page: str) -> HttpResponse:
    if request.method != "POST":
        form = form_class(initial=_known(request))
        return render(request, page, {"form": form, "seller": seller()})
    form = form_class(request.POST)
    if form.is_valid() and _may(request, form):
        declaration = declarations.receive(
            form.said(),
            form_id=form.cleaned_data["form"],
            language=get_language() or "en",
            now=clock.now(),
        )
        _enqueue(declaration)
        context = {"facts": declarations.facts_of(declaration), "kind": declaration.kind}
        return render(request, "law/receipt.html", context)
    form.focus()
    limited = form.is_bound and form.has_error(NON_FIELD_ERRORS, "limited")
    status = HTTPStatus.TOO_MANY_REQUESTS if limited else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, page, {"form": form, "seller": seller()}, status=status)


def _known(request: HttpRequest) -> dict[str, str]:
    """What a person who is signed in need not type: their address, and the car if it is the one."""
    if not request.user.is_authenticated:
        return {}
    mine = Ownership.objects.filter(owner=request.user, ends_at=None)
    vins = mine.values_list("vehicle__vin", flat=True)[:2]
    return {"email": request.user.email, "reference": vins[0] if len(vins) == 1 else ""}


def _may(request: HttpRequest, form: DeclarationForm) -> bool:
    """Count this declaration; see ACCOUNT_RATE_LIMITS for how many there may be."""
    if ratelimit.consume(request, action="declare", key=form.cleaned_data["email"]):
        return True
    form.add_error(None, _limited())
    return False


def _limited() -> ValidationError:
    """Say that there were too many, and how else it can be declared."""
    return ValidationError(
        _(
            "That was sent too often. Wait an hour, or write to %(email)s: that counts as well, "
            "from the moment we receive it."
        ),
        code="limited",
        params={"email": seller().email},
    )


def _enqueue(declaration: Declaration) -> None:
    """Have it looked at now; should the queue be away the sweep finds the row."""
    try:
        tasks.carry_out.delay_on_commit(declaration.pk)
    except Exception:  # The broker's errors are many; a lost message is a delay, never a loss.
        log.exception("enqueue_failed", declaration=declaration.pk)
