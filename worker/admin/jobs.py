"""The pages of jobs: those in the queue, and those that are finished. What they share is in `records`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from worker import masking, queue
from worker.admin import labels
from worker.admin.arguments import shown_result
from worker.admin.records import JobRecordAdmin, page_of_job
from worker.admin.tables import Verb, batches, read_at
from worker.models import FinishedJob, Job, WorkerProcess
from worker.options import options
from worker.reasons import why_it_waits
from worker.serving import living_workers, served_queues


@admin.register(Job)
class JobAdmin(JobRecordAdmin):
    """Jobs that are not finished. Those that nobody has started can be cancelled."""

    elsewhere = FinishedJob
    list_display: Any = ("title", "status", "queue", "due", "tried")
    sortable_by = ("due",)
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["task", "status", "waits", ("queue", "priority", "tried"), ("nominal", "worker")]}),
        (gettext_lazy("Arguments"), {"fields": ["given"]}),
        (
            gettext_lazy("Origin"),
            {"fields": [("schedule_id", "creator"), ("retried", "interruptions"), "task_options"]},
        ),
    ]
    actions = ("cancel",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        name = WorkerProcess.objects.filter(pk=OuterRef("worker_id")).values("name")
        jobs: QuerySet[Any] = super().get_queryset(request).annotate(worker_name=Subquery(name))
        return jobs

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = jobs = list(changelist.result_list)
        _read_who_serves(jobs)
        return changelist

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        job = super().get_object(*args, **kwargs)
        _read_who_serves([job] if job else [])
        return job

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.cancel_job")

    def verbs(self, row: Job) -> dict[str, Verb]:
        if row.state not in queue.UNSTARTED:
            return {}
        return {"cancel": Verb(_("Cancel"), _("Ends the job without running it."))}

    @admin.action(description=gettext_lazy("Cancel selected jobs"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        reason = _("Cancelled by %(user)s.") % {"user": request.user}
        alias = options().DATABASE
        chosen = cancelled = 0
        for batch in batches(jobs):
            ended = queue.cancel(batch, str(reason), alias)
            self.log(request, FinishedJob.objects.using(alias).filter(pk__in=ended), str(reason))
            chosen, cancelled = chosen + len(batch), cancelled + len(ended)
        self._say_how_many(request, cancelled, chosen - cancelled)

    def _say_how_many(self, request: HttpRequest, cancelled: int, running: int) -> None:
        said = ngettext("Cancelled %(count)d job.", "Cancelled %(count)d jobs.", cancelled) % {"count": cancelled}
        if not running:
            self.message_user(request, said, messages.SUCCESS)
            return
        skipped = ngettext(
            "Skipped %(count)d that was running or finished.",
            "Skipped %(count)d that were running or finished.",
            running,
        )
        self.message_user(request, f"{said} {skipped % {'count': running}}", messages.WARNING)

    @admin.display(description=gettext_lazy("may start"), ordering="run_at")
    def due(self, job: Job) -> SafeString | str:
        return labels.ago(job.run_at, read_at(job))

    @admin.display(description=gettext_lazy("worker"))
    def worker(self, job: Job) -> str:
        if job.worker_id is None:
            return labels.NOTHING
        name: str | None = job.__dict__["worker_name"]
        return name or _("a worker that is gone")

    @admin.display(description=gettext_lazy("waits"))
    def waits(self, job: Job) -> str:
        return masking.text(why_it_waits(job, read_at(job), job.__dict__["served"])) or labels.NOTHING

    def remark(self, job: Job) -> str:
        """Who runs it, or why it waits, and what its last attempt failed with."""
        if job.worker_id is not None:
            return self.worker(job)
        failed = f"{job.error_list[-1]['kind']}: {job.error_list[-1]['message']}" if job.errors else ""
        return f"{why_it_waits(job, read_at(job), job.__dict__['served'])} {failed}"


def _read_who_serves(jobs: Sequence[Job]) -> None:
    """Which queues are drained is read once, and kept with each job."""
    if jobs:
        served = served_queues(living_workers(options().DATABASE, read_at(jobs[0])))
        for job in jobs:
            job.__dict__["served"] = served


@admin.register(FinishedJob)
class FinishedJobAdmin(JobRecordAdmin):
    """The history of jobs. Any of them can be enqueued again."""

    elsewhere = Job
    list_display: Any = ("title", "status", "queue", "ran", "tried", "ended")
    sortable_by = ("ended",)
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["task", "status", "why", ("queue", "priority", "tried"), ("nominal", "worker")]}),
        (gettext_lazy("Arguments"), {"fields": ["given"]}),
        (gettext_lazy("Result"), {"fields": ["returned"]}),
        (
            gettext_lazy("Origin"),
            {"fields": [("schedule_id", "creator"), ("retried", "interruptions"), "task_options"]},
        ),
    ]
    actions = ("retry",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """A list shows no result, and each may be long."""
        jobs: QuerySet[Any] = super().get_queryset(request).defer("result_text")
        return jobs

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.retry_job")

    def verbs(self, row: FinishedJob) -> dict[str, Verb]:
        effect = _('Enqueues a new job with the same arguments on the queue "%(queue)s".') % {"queue": row.queue}
        return {"retry": Verb(_("Retry"), effect)}

    @admin.action(description=gettext_lazy("Retry selected jobs"), permissions=["retry"])
    def retry(self, request: HttpRequest, jobs: QuerySet[FinishedJob]) -> None:
        alias = options().DATABASE
        enqueued: dict[int, int] = {}
        for batch in batches(jobs):
            with transaction.atomic(using=alias):
                # Nobody sees the new jobs before the end of this transaction, so none has moved on yet.
                new = Job.objects.using(alias).filter(pk__in=queue.retry(batch, alias))
                links = {job.retry_of or 0: job.pk for job in new.only("retry_of")}
            for finished in FinishedJob.objects.using(alias).filter(pk__in=list(links)):
                self.log(request, [finished], _("Retried as job #%(id)d.") % {"id": links[finished.pk]})
            enqueued |= links
        self._say_how_many(request, sorted(enqueued.values()))

    def _say_how_many(self, request: HttpRequest, jobs: list[int]) -> None:
        count = len(jobs)
        if count == 1:
            url = page_of_job(self.admin_site.name, Job, jobs[0])
            said: str = format_html(_('Enqueued it again as <a href="{}">job #{}</a>.'), url, jobs[0])
        else:
            said = ngettext("Enqueued %(count)d job again.", "Enqueued %(count)d jobs again.", count) % {"count": count}
        self.message_user(request, said, messages.SUCCESS if jobs else messages.WARNING)

    def remark(self, job: FinishedJob) -> str:
        return job.reason

    @admin.display(description=gettext_lazy("took"))
    def ran(self, job: FinishedJob) -> SafeString | str:
        if job.started_at is None:
            return labels.NOTHING
        waited = _("waited %(time)s") % {"time": labels.took(job.run_at, job.started_at)}
        took = labels.took(job.started_at, job.finished_at)
        return format_html('{} <span class="carillon-quiet">{}</span>', took, waited)

    @admin.display(description=gettext_lazy("worker"))
    def worker(self, job: FinishedJob) -> str:
        return job.worker or labels.NOTHING

    @admin.display(description=gettext_lazy("finished"), ordering="finished_at")
    def ended(self, job: FinishedJob) -> SafeString:
        when = labels.ago(job.finished_at, read_at(job))
        return format_html('{} <span class="carillon-quiet">{}</span>', when, job.worker)

    @admin.display(description=gettext_lazy("returned"))
    def returned(self, job: FinishedJob) -> SafeString | str:
        """What its task returned, where that is kept."""
        return shown_result(job.result_text)

    @admin.display(description=gettext_lazy("reason"))
    def why(self, job: FinishedJob) -> str:
        return masking.text(job.reason) or labels.NOTHING
