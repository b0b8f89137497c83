"""Light, dark, or as the device says: what a visitor chose, kept in a cookie of their own.

The server writes the choice into each page, so that none flashes in the other colours first. It
must never know who the visitor is.
"""

from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

DEVICE = "device"
YEAR = 365 * 24 * 60 * 60  # seconds


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the switch's buttons."""

    name: str
    icon: str
    label: Promise


@dataclass(frozen=True, slots=True)
class Theme:
    """What holds for a page, and what else there is."""

    name: str
    choices: tuple[Choice, ...]

    @property
    def schemes(self) -> str:
        """The value of CSS's `color-scheme`."""
        return "light dark" if self.name == DEVICE else self.name


CHOICES = (
    Choice(DEVICE, "device", _("Automatic")),
    Choice("light", "sun", _("Light")),
    Choice("dark", "moon", _("Dark")),
)
_NAMES = frozenset(choice.name for choice in CHOICES)


def of(request: HttpRequest) -> Theme:
    """What this visitor chose; what their device says where they chose nothing that we know."""
    name = request.COOKIES.get(settings.THEME_COOKIE_NAME, DEVICE)
    return Theme(name if name in _NAMES else DEVICE, CHOICES)


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Remember a choice, and go back to the page that it was made on."""
    name = request.POST.get("theme", "")
    if name not in _NAMES:
        text = f"theme: it is one of {', '.join(sorted(_NAMES))}\n"
        return HttpResponse(text, status=HTTPStatus.BAD_REQUEST, content_type="text/plain")
    response = HttpResponseRedirect(_way_back(request), status=HTTPStatus.SEE_OTHER)
    if name == DEVICE:
        response.delete_cookie(settings.THEME_COOKIE_NAME, samesite="Lax")
    else:
        response.set_cookie(
            settings.THEME_COOKIE_NAME,
            name,
            max_age=YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def _way_back(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else reverse("landing")
