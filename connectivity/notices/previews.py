"""Every mail as staff may look at it: in each language, as text and as HTML, with made-up facts.

It must never send anything, and never show what was written to a real person.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from csp.constants import SELF
from csp.decorators import csp_replace
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from connectivity.notices import letters, samples

SEES = "notices.view_notice"
_CSS = Path(settings.BASE_DIR) / "templates" / "notices" / "letter.css"
# The one style that a mail has: a page of ours allows no other within itself.
_STYLE = base64.b64encode(hashlib.sha256(_CSS.read_bytes()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Version:
    """A mail in a language, with all that it may say or with the least."""

    language: str
    label: str
    extent: str
    subject: str
    text: str


@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """All mails by their subjects, each with a link."""
    _only_who_sees(request)
    mails = [(name, _version(name, "en", "most").subject) for name in samples.names()]
    context = {**admin.site.each_context(request), "title": "Mails", "mails": mails}
    return render(request, "admin/mails.html", context)


@require_safe
def one(request: HttpRequest, name: str) -> HttpResponse:
    """One mail, in each language."""
    _only_who_sees(request)
    _known(name)
    versions = [
        _version(name, language, extent)
        for extent in samples.EXTENTS
        for language, _ in settings.LANGUAGES
    ]
    context = {**admin.site.each_context(request), "title": name, "versions": versions}
    return render(request, "admin/mail.html", {**context, "name": name})


@require_safe
@xframe_options_sameorigin
@csp_replace(  # type: ignore[arg-type] # its type knows of no arguments
    {"style-src": [f"'sha256-{_STYLE}'"], "frame-ancestors": [SELF]}
)
def html(request: HttpRequest, name: str, language: str, extent: str) -> HttpResponse:
    """The HTML of one, for a frame."""
    _only_who_sees(request)
    _known(name)
    if language not in dict(settings.LANGUAGES) or extent not in samples.EXTENTS:
        raise Http404
    version = _version(name, language, extent)
    with translation.override(language):
        return HttpResponse(letters.html(version.subject, version.text))


def _only_who_sees(request: HttpRequest) -> None:
    if not request.user.has_perm(SEES):
        raise PermissionDenied


def _known(name: str) -> None:
    if name not in samples.names():
        raise Http404


def _version(name: str, language: str, extent: str) -> Version:
    with translation.override(language):
        subject, text = samples.written(name, samples.extent(name, extent))
    label = dict(settings.LANGUAGES)[language]
    return Version(language, label, extent, subject, text)
