"""What every page may know: the installation, its colours, where it is; nothing of who looks."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from connectivity import theme


@dataclass(frozen=True)
class Environment:
    """Which installation this is, and what it says about itself above each page."""

    ribbon: Promise | str
    mailbox_url: str
    car_url: str


def site(request: HttpRequest) -> dict[str, Environment | theme.Theme | str]:
    """Give templates `environment` (the ribbon, none where money is real), `theme` and `here`."""
    return {"environment": environment(), "theme": theme.of(request), "here": _here(request)}


def _here(request: HttpRequest) -> str:
    """Where a page's switches lead back to.

    What answers a form may have an address that takes nothing but forms, so that is the page on
    which the form stood.
    """
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    return request.headers.get("Referer", "/")


def environment() -> Environment:
    """Return what the settings say: a sandbox of our own, Stripe's test mode, or the real thing."""
    sandbox = settings.SANDBOX_URL if settings.STRIPE_API_BASE else ""
    if sandbox:
        return Environment(
            ribbon=_("Sandbox: no real payment, no real car"),
            mailbox_url=f"{sandbox}/mail/",
            car_url=f"{sandbox}/car/",
        )
    live = settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
    return Environment(
        ribbon="" if live else _("Test: no real payment"), mailbox_url="", car_url=""
    )
