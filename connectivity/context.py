"""What every page may know of the installation it is served by; knows nothing of who looks."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Environment:
    """Which installation this is, and what it says about itself above each page."""

    ribbon: Promise | str
    mailbox_url: str
    car_url: str


def site(_request: HttpRequest) -> dict[str, Environment]:
    """Give templates `environment`: the ribbon's text (none where money is real), sandbox links."""
    return {"environment": environment()}


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
