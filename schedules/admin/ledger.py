"""The pages of the ledger and of the leaders' terms: why something ran or did not, and who led when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from schedules.admin.filters import ScheduleInUse
from schedules.admin.jobs import page_of_schedule
from schedules.admin.outlook import wall
from schedules.leader.alive import is_alive
from schedules.models import Leadership, Occurrence
from worker import masking
from worker.admin import labels
from worker.admin.records import page_of_job
from worker.admin.tables import ReadOnlyAdmin, read_at
from worker.models import Job


@admin.register(Occurrence)
class OccurrenceAdmin(ReadOnlyAdmin):
    """One line for each instant that was considered, or for a range of them that did not run."""

    in_use = ("schedule_id", "schedule_name")
    list_display = ("when", "of_schedule", "result", "why", "job", "recorded")
    list_filter = ("outcome", "kind", ScheduleInUse)
    list_select_related = ("schedule",)
    search_fields = ("schedule__name",)
    search_help_text = gettext_lazy("Name of a schedule")
    sortable_by = ()
    fields = ("when", "of_schedule", "kind", "result", "why", "count", "job", "term", "recorded")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        lines: QuerySet[Any] = super().get_queryset(request).annotate(schedule_name=F("schedule__name"))
        return lines.select_related("schedule")

    @admin.display(description=gettext_lazy("scheduled for"))
    def when(self, line: Occurrence) -> SafeString:
        return instants_of(line, read_at(line))

    @admin.display(description=gettext_lazy("schedule"))
    def of_schedule(self, line: Occurrence) -> SafeString:
        url = page_of_schedule(self.admin_site.name, line.schedule_id)
        return format_html('<a href="{}">{}</a>', url, line.schedule.name)

    @admin.display(description=gettext_lazy("outcome"))
    def result(self, line: Occurrence) -> SafeString:
        return outcome_of(line)

    @admin.display(description=gettext_lazy("reason"))
    def why(self, line: Occurrence) -> str:
        return masking.text(line.reason) or labels.NOTHING

    @admin.display(description=gettext_lazy("job"))
    def job(self, line: Occurrence) -> SafeString | str:
        return job_of(line, self.admin_site.name)

    @admin.display(description=gettext_lazy("recorded"))
    def recorded(self, line: Occurrence) -> SafeString | str:
        return labels.ago(line.recorded_at, read_at(line))


@admin.register(Leadership)
class LeadershipAdmin(ReadOnlyAdmin):
    """Terms: who held the lock, from when to when."""

    list_display = ("leader", "state", "started", "renewed", "ended", "lock", "what_troubles")
    fields = list_display
    search_fields = ("leader",)
    sortable_by = ()

    @admin.display(description=gettext_lazy("status"))
    def state(self, term: Leadership) -> SafeString:
        if term.ended_at is not None:
            return labels.status("ended", _("ended"))
        if is_alive(term, read_at(term)):
            return labels.status("alive", _("leads"))
        return labels.status("silent", _("silent"))

    @admin.display(description=gettext_lazy("started"))
    def started(self, term: Leadership) -> SafeString | str:
        return labels.moment(term.started_at, read_at(term))

    @admin.display(description=gettext_lazy("last sign of life"))
    def renewed(self, term: Leadership) -> SafeString | str:
        return labels.ago(term.renewed_at, read_at(term))

    @admin.display(description=gettext_lazy("ended"))
    def ended(self, term: Leadership) -> SafeString | str:
        return labels.moment(term.ended_at, read_at(term))

    @admin.display(description=gettext_lazy("trouble"))
    def what_troubles(self, term: Leadership) -> str:
        return masking.text(term.trouble) or labels.NOTHING


def instants_of(line: Occurrence, now: datetime) -> SafeString:
    """The instant by the schedule's clock, or the first and the last of a range."""
    zone = line.schedule.timezone
    if line.scheduled_until is None:
        return format_html('{} <span class="carillon-quiet">{}</span>', wall(line.scheduled_for, zone, now), zone)
    return format_html(
        '{} – {} <span class="carillon-quiet">{} · {}</span>',
        wall(line.scheduled_for, zone, now),
        wall(line.scheduled_until, zone, now),
        zone,
        _("%(count)s runs") % {"count": line.count},
    )


def outcome_of(line: Occurrence) -> SafeString:
    return labels.status(line.outcome, line.get_outcome_display())


def job_of(line: Occurrence, site: str) -> SafeString | str:
    if line.job_id is None:
        return labels.NOTHING
    return format_html('<a href="{}">#{}</a>', page_of_job(site, Job, line.job_id), line.job_id)
