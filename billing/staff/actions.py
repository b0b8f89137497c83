"""Changes that staff may make: each has a name, a permission, a page that asks, and a reason.

It shows and asks; what is done, and that it is audited, is decided by the use case behind it.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from billing import clock


class ReasonForm(forms.Form):
    """Every action wants to know why; what more it needs stands before that."""

    reason = forms.CharField(
        min_length=8,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="Kept with the change for as long as there are records: what was asked for, by "
        "whom, and what proof you saw.",
    )
    field_order: list[str] | None = None

    def renew(self) -> None:
        """Make the form ready to be sent again after a refusal."""


class OnceForm(ReasonForm):
    """A form that does its work once, however often it is sent: each page has its own token."""

    token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def renew(self) -> None:
        """A form that was refused and put right is a new wish."""
        self.data = {**self.data, "token": str(uuid.uuid4())}


@dataclass(frozen=True, slots=True)
class NamedAction:
    """One thing that staff can do to one row.

    `effect` says before, and `run` does and says after; `run` raises one of `refusals`, whose
    message is shown, where it must not be done. Doing it twice has the effect of doing it once.
    `initial` is what the form begins with, from the row.
    """

    slug: str
    label: str
    permission: str
    effect: Callable[[Any], str]
    run: Callable[[Any, dict[str, Any], Any, datetime], str]
    form: type[ReasonForm] = ReasonForm
    refusals: tuple[type[Exception], ...] = ()
    available: Callable[[Any], bool] = lambda _: True
    initial: Callable[[Any], dict[str, Any]] = lambda _: {}


def links(model_admin: ModelAdmin, request: HttpRequest, row: Any) -> list[dict[str, str]]:  # type: ignore[type-arg]
    """The actions that this member of staff can take on this row now, for its page."""
    return [
        {
            "label": action.label,
            "url": reverse(f"admin:{_name(model_admin, action)}", args=[row.pk]),
        }
        for action in getattr(model_admin, "named_actions", ())
        if _may(request, action) and action.available(row)
    ]


def addresses(model_admin: ModelAdmin) -> list[URLPattern]:  # type: ignore[type-arg]
    """Where the actions' pages are."""
    return [
        path(
            f"<path:object_id>/{action.slug}/",
            model_admin.admin_site.admin_view(_Page(model_admin, action)),
            name=_name(model_admin, action),
        )
        for action in getattr(model_admin, "named_actions", ())
    ]


def _name(model_admin: Any, action: NamedAction) -> str:
    meta = model_admin.opts
    return f"{meta.app_label}_{meta.model_name}_{action.slug.replace('-', '_')}"


def _may(request: HttpRequest, action: NamedAction) -> bool:
    user: Any = request.user
    return bool(user.has_perm(action.permission))


@dataclass(frozen=True, slots=True)
class _Page:
    """Asks on GET, acts on POST."""

    model_admin: Any
    action: NamedAction

    def __call__(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.model_admin.get_object(request, object_id)
        if row is None:
            raise Http404
        if not (_may(request, self.action) and self.model_admin.has_view_permission(request, row)):
            raise PermissionDenied
        data = request.POST if request.method == "POST" else None
        form = self.action.form(data, initial=self.action.initial(row))
        if form.is_valid() and self.action.available(row) and self._done(request, row, form):
            meta = self.model_admin.opts
            url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
            return HttpResponseRedirect(url)
        return self._ask(request, row, form)

    def _done(self, request: HttpRequest, row: Any, form: ReasonForm) -> bool:
        try:
            said = self.action.run(row, form.cleaned_data, request.user, clock.now())
        except self.action.refusals as refusal:
            form.add_error(None, str(refusal))
            form.renew()
            return False
        self.model_admin.log_change(request, row, self.action.label)
        messages.success(request, said)
        return True

    def _ask(self, request: HttpRequest, row: Any, form: ReasonForm) -> HttpResponse:
        available = self.action.available(row)
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": self.action.label,
            "opts": self.model_admin.opts,
            "original": row,
            "action": self.action,
            "available": available,
            "effect": self.action.effect(row) if available else "",
            "form": form,
        }
        return TemplateResponse(request, "admin/named_action.html", context)
