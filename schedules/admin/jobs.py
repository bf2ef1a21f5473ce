"""The pages of jobs, once there are schedules: the queue's own pages know nothing of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from schedules.admin.filters import ScheduleInUse
from schedules.models import Schedule
from worker.admin import FinishedJobAdmin, JobAdmin, labels
from worker.admin.records import JobRecordAdmin
from worker.admin.tables import read_at
from worker.models import FinishedJob, Job, JobRecord

ORIGIN = (gettext_lazy("Origin"), {"fields": [("schedule", "creator"), ("retried", "interruptions"), "own"]})


class OfSchedule(JobRecordAdmin):
    """What both pages gain: the schedule, as a column, a filter and a link."""

    in_use = (*JobRecordAdmin.in_use, "schedule_id", "schedule_name")
    list_filter = (*JobRecordAdmin.list_filter, ScheduleInUse)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        name = Schedule.objects.filter(pk=OuterRef("schedule_id")).values("name")
        jobs: QuerySet[Any] = super().get_queryset(request).annotate(schedule_name=Subquery(name))
        return jobs

    @admin.display(description=gettext_lazy("schedule"))
    def schedule(self, job: JobRecord) -> SafeString | str:
        if job.schedule_id is None:
            return labels.NOTHING
        name = job.__dict__["schedule_name"]
        if name is None:
            return _("#%(id)s, deleted") % {"id": job.schedule_id}
        url = page_of_schedule(self.admin_site.name, job.schedule_id)
        nominal = labels.moment(job.scheduled_for, read_at(job))
        return format_html('<a href="{}">{}</a> <span class="carillon-quiet">{}</span>', url, name, nominal)


class JobOfScheduleAdmin(OfSchedule, JobAdmin):
    list_display: Any = (*JobAdmin.list_display[:3], "schedule", *JobAdmin.list_display[3:])
    fieldsets: ClassVar[Any] = [*JobAdmin.fieldsets[:-1], ORIGIN]


class FinishedJobOfScheduleAdmin(OfSchedule, FinishedJobAdmin):
    list_display: Any = (*FinishedJobAdmin.list_display[:3], "schedule", *FinishedJobAdmin.list_display[3:])
    fieldsets: ClassVar[Any] = [*FinishedJobAdmin.fieldsets[:-1], ORIGIN]


def page_of_schedule(site: str, pk: int) -> str:
    return reverse(f"{site}:{Schedule._meta.app_label}_{Schedule._meta.model_name}_change", args=[pk])


for model, page in ((Job, JobOfScheduleAdmin), (FinishedJob, FinishedJobOfScheduleAdmin)):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
        admin.site.register(model, page)
