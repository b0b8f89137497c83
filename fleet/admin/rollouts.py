"""Roll-outs as staff see them: what is on for whom, how far it has come, what was done and why."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from billing import clock
from billing.staff import shown
from billing.staff.read_only import ReadOnlyAdmin
from fleet import progress, rollouts, tasks
from fleet.admin import pictures, rollout_actions
from fleet.admin.rollout_actions import HALT, RAISE, ROLL_BACK, BeginForm
from fleet.models import DomainEvent, Rollout, Vehicle
from fleet.models.journal import OF_ROLLOUTS
from fleet.models.rollouts import SHARES
from fleet.vin import masked

log = structlog.get_logger()
STEPS = dict(zip(OF_ROLLOUTS, ("begun", "raised", "halted", "rolled back"), strict=True))


@admin.register(Rollout)
class RolloutAdmin(ReadOnlyAdmin):
    """A feature on its way to the cars."""

    change_form_template = "admin/rollout.html"
    change_list_template = "admin/rollouts.html"
    list_display = ("name", "feature", "for_whom", "on_for", "state", "changed_at")
    search_help_text = "Code of a feature"
    named_actions = (RAISE, HALT, ROLL_BACK)
    hidden = (
        *("id", "feature", "name", "plan", "audience", "salt", "share", "state", "revision"),
        *("began_at", "changed_at"),
        *("counted_at", "counted_revision", "counted_in"),
        *("able", "due", "applied", "failed", "failures"),
    )
    readonly_fields = ("what", "for_whom", "on_for", "stands")

    def find(self, text: str) -> Iterable[Any]:
        """By its feature."""
        return Rollout.objects.filter(feature=text.lower()).values_list("pk", flat=True)

    @admin.display(description="feature")
    def what(self, row: Rollout) -> str:
        """What joins which plan."""
        return f"{row.name} ({row.feature}), which joins {row.plan}"

    @admin.display(description="state")
    def stands(self, row: Rollout) -> str:
        """How it stands, and since when."""
        since = f"{row.changed_at:%Y-%m-%d %H:%M} UTC"
        return f"{row.get_state_display()}, by catalogue {row.revision} of {since}"

    @admin.display(description="for")
    def for_whom(self, row: Rollout) -> str:
        """Which cars it is for."""
        return rollout_actions.audience(row)

    @admin.display(description="share")
    def on_for(self, row: Rollout) -> str:
        """How many of them have it now."""
        if row.state == Rollout.State.ROLLED_BACK:
            return f"none; it was {rollouts.percent(row.share)}"
        return rollouts.percent(row.share)

    def get_urls(self) -> list[URLPattern]:
        """With the page that begins one, and the part that asks again by itself."""
        view = self.admin_site.admin_view
        return [
            path("begin/", view(self.begin_view), name="fleet_rollout_begin"),
            path("<int:pk>/progress/", view(self.progress_view), name="fleet_rollout_progress"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show all, and the way to begin one to those who may."""
        context = {"may_begin": _may(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the roll-out with its progress and its steps."""
        row = self.get_object(request, object_id)
        context = {**(_progress(row) if row else {}), **(_history(row) if row else {})}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The progress alone, for a page that looks again."""
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return render(request, "admin/rollout_progress.html", {"original": row, **_progress(row)})

    def begin_view(self, request: HttpRequest) -> HttpResponse:
        """Ask on GET; on POST show what it would change, and begin it the second time."""
        if not _may(request):
            raise PermissionDenied
        form = BeginForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                row = rollout_actions.begin(form, actor=request.user, now=clock.now())
            except rollout_actions.BEGIN_REFUSALS as refusal:
                form.add_error(None, str(refusal))
            else:
                self.log_change(request, row, "Begun")
                messages.success(request, f"Begun, by catalogue {row.revision}.")
                return HttpResponseRedirect(reverse("admin:fleet_rollout_change", args=[row.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": "Begin a roll-out",
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "admin/rollout_begin.html", context)


def _may(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("fleet.roll_out"))


def _progress(row: Rollout) -> dict[str, Any]:
    """What was counted last; where that is long ago, a worker is asked to count anew."""
    if progress.is_due(row, now=clock.now()):
        try:
            tasks.count_rollout.delay(row.pk)
        except Exception:  # The broker's errors are many; the page shows what there is.
            log.exception("enqueue_failed", rollout=row.pk)
        row.refresh_from_db()
    gone = row.state == Rollout.State.ROLLED_BACK
    parts = [("gone" if gone else "applied", row.applied), ("failed", row.failed)]
    return {
        "counted": row.counted_revision == row.revision,
        "bar": pictures.bar([*parts, ("silent", row.silent)]),
        "due": f"{row.due:,}",
        "able": f"{row.able:,}",
        "done": pictures.percent(row.applied, row.due),
        "gone": gone,
        "failures": _failures(row),
    }


def _failures(row: Rollout) -> list[tuple[str, str]]:
    """The cars that failed last, masked, and what they say."""
    said = {UUID(each["vehicle"]): each["reason"] for each in row.failures}
    cars = Vehicle.objects.in_bulk(list(said))
    return [(shown.page(cars[pk], masked(cars[pk].vin)), said[pk]) for pk in said if pk in cars]


def _share(event: DomainEvent) -> int:
    """The share from this step on."""
    return 0 if event.kind == "rollout_rolled_back" else int(event.data["share"])


def _history(row: Rollout) -> dict[str, Any]:
    """The steps that were taken, and their picture."""
    events = DomainEvent.objects.filter(kind__in=OF_ROLLOUTS, data__rollout=row.pk)
    found = list(events.select_related("actor").order_by("id"))
    steps = [
        {
            "at": event.at,
            "what": STEPS[event.kind],
            "share": rollouts.percent(_share(event)),
            "catalog": event.data["catalog"],
            "reason": event.data["reason"],
            "actor": event.actor,
        }
        for event in found
    ]
    line = [(event.at, STEPS[event.kind], _share(event) / SHARES) for event in found]
    picture = pictures.stairs(line, now=clock.now()) if line else None
    return {"steps": steps[::-1], "stairs": picture}
