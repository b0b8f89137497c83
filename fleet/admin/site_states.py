"""Data centres as staff see them: which is away, what each lacks, how far each was compared."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing import clock
from billing.staff.read_only import ReadOnlyAdmin
from fleet import rebuild, sites
from fleet.models import Era, SiteState


@admin.register(SiteState)
class SiteStateAdmin(ReadOnlyAdmin):
    """How each data centre stands."""

    list_display = ("name", "stands", "waiting", "scrub", "scrub_ended_at", "ahead_of_us")
    search_help_text = "Name of a site"
    readonly_fields = ("stands", "waiting", "scrub", "ahead_of_us")

    def find(self, text: str) -> Iterable[Any]:
        """By its name."""
        return [text]

    @admin.display(description="state")
    def stands(self, row: SiteState) -> str:
        """Whether it answers, and has been told of all."""
        if row.away_since:
            return f"away since {row.away_since:%Y-%m-%d %H:%M:%S} UTC"
        if row.rebuilding_since:
            return f"is being rebuilt since {row.rebuilding_since:%Y-%m-%d %H:%M:%S} UTC"
        return "answers" if row.server else "not looked at yet"

    @admin.display(description="waits to be told")
    def waiting(self, row: SiteState) -> str:
        """How many changes, and for how long."""
        standing = sites.standing(row)
        if not standing.waiting:
            return "nothing"
        many = f"{standing.waiting:,} change{'s' * (standing.waiting > 1)}"
        return f"{many}, the oldest for {standing.lag(clock.now())} s"

    @admin.display(description="compared in this round")
    def scrub(self, row: SiteState) -> str:
        """How far the scrub is, and what it found."""
        return f"{row.compared:,} of about {rebuild.estimate():,}, {row.resent:,} told again"

    @admin.display(description="ahead of PostgreSQL")
    def ahead_of_us(self, row: SiteState) -> str:
        """How many cars, which ought to be none."""
        return f"{max(row.ahead, row.ahead_before):,}"


@admin.register(Era)
class EraAdmin(ReadOnlyAdmin):
    """When all versions were raised after a restore (`manage.py new_era`)."""

    list_display = ("began_at", "finished_at")
    search_help_text = "Number of an era"

    def find(self, text: str) -> Iterable[Any]:
        """By its number."""
        return [int(text)] if text.isdecimal() else []
