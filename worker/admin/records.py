"""What the pages of jobs have in common, whether the jobs are in the queue or finished.

A job keeps its id when it moves, so the address of either page leads to where the job is now.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from worker import masking
from worker.admin import arguments, labels
from worker.admin.filters import QueueInUse, TaskInUse
from worker.admin.tables import ReadOnlyAdmin, read_at
from worker.admin.timeline import steps
from worker.models import FinishedJob, Job, JobRecord
from worker.options import options
from worker.outcomes import ErrorLine
from worker.reports import find, progress_of

LONGEST_ID = 20
"""Digits. Nothing longer is the id of a job."""


class JobRecordAdmin(ReadOnlyAdmin):
    """What both pages have in common."""

    change_form_template = "worker/admin/job.html"
    in_use: ClassVar[tuple[str, ...]] = ("task", "queue")
    list_filter: ClassVar[Any] = ("state", QueueInUse, TaskInUse)
    search_fields = ("task", "verbose_name", "creator", "pk__exact")
    search_help_text = gettext_lazy("Task, name, creator, or the id of a job")
    elsewhere: type[Job | FinishedJob]
    """Where a job is that is not here."""

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.has_view_permission(request) and self.get_object(request, unquote(object_id)) is None:
            moved = self.elsewhere.objects.using(options().DATABASE)
            if object_id.isdecimal() and moved.filter(pk=int(object_id[:LONGEST_ID])).exists():
                return HttpResponseRedirect(page_of_job(self.admin_site.name, self.elsewhere, int(object_id)))
        return super().change_view(request, object_id, *args, **kwargs)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        job = kwargs["obj"]
        told, now = steps(job, self.worker(job)), read_at(job)
        context |= {"steps": [(step, labels.moment(step.at, now), step.at > now) for step in told]}
        context |= {
            "attempts": [
                (_visible(error), labels.moment(datetime.fromisoformat(error["at"]), now))
                for error in reversed(job.error_list)
            ]
        }
        report = find(options().DATABASE, [job.pk]).get(job.pk)
        if progress := progress_of(report):
            context |= {"progress": labels.progress(progress), "progress_at": labels.ago(progress.at, now)}
            context |= {"progress_of": progress.attempt}
        context["log"] = masking.text(report.log) if report and report.log else ""
        return super().render_change_form(request, context, *args, **kwargs)

    def worker(self, job: Any) -> str:
        raise NotImplementedError

    @admin.display(description=gettext_lazy("job"))
    def title(self, job: JobRecord) -> str:
        return str(job)

    @admin.display(description=gettext_lazy("state"))
    def status(self, job: Job | FinishedJob) -> SafeString:
        label = labels.status(job.state, job.get_state_display())
        return format_html(
            '{} <span class="carillon-quiet">{}</span>', label, labels.first_line(masking.text(self.remark(job)))
        )

    def remark(self, job: Any) -> str:
        """What else there is to say about the state of a job."""
        raise NotImplementedError

    @admin.display(description=gettext_lazy("attempts"))
    def tried(self, job: JobRecord) -> str:
        tried = {"attempts": job.attempts, "max_attempts": job.max_attempts}
        return _("%(attempts)s of %(max_attempts)s") % tried

    @admin.display(description=gettext_lazy("scheduled for"))
    def nominal(self, job: JobRecord) -> SafeString | str:
        return labels.moment(job.scheduled_for, read_at(job))

    @admin.display(description=gettext_lazy("arguments"))
    def given(self, job: JobRecord) -> SafeString:
        return arguments.shown(job.task, job.arguments)

    @admin.display(description=gettext_lazy("options of its own"))
    def own(self, job: JobRecord) -> SafeString | str:
        return arguments.shown_options(job.task_options)

    @admin.display(description=gettext_lazy("retry of"))
    def retried(self, job: JobRecord) -> SafeString | str:
        if job.retry_of is None:
            return labels.NOTHING
        url = page_of_job(self.admin_site.name, FinishedJob, job.retry_of)
        return format_html('<a href="{}">#{}</a>', url, job.retry_of)


def page_of_job(site: str, model: type[Job | FinishedJob], pk: int) -> str:
    id = pk if isinstance(pk, int) else 0  # SQLite may hold any text for it, of which no address can be made
    return reverse(f"{site}:{model._meta.app_label}_{model._meta.model_name}_change", args=[id])


def _visible(error: ErrorLine) -> dict[str, Any]:
    return {name: masking.text(value) if isinstance(value, str) else value for name, value in error.items()}
