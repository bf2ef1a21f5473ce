"""The pages of jobs: those in the queue, and those that are finished. What they share is in `records`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
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
from worker.admin.tables import Verb, read_at
from worker.handles.verbs import Counts, cancelling, retrying
from worker.messages.echo import one_line
from worker.messages.expected import LONGEST_TEXT
from worker.models import FinishedJob, Job, JobState, WorkerProcess
from worker.options import options
from worker.reasons import why_it_waits
from worker.reports import progress_by_job
from worker.serving import living_workers, served_queues


@admin.register(Job)
class JobAdmin(JobRecordAdmin):
    """Jobs that are not finished. All can be cancelled: one that runs is asked to stop."""

    elsewhere = FinishedJob
    list_display: Any = ("title", "status", "queue", "due", "tried")
    sortable_by = ("due",)
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["task", "status", "waits", ("queue", "priority", "tried"), ("nominal", "worker")]}),
        (gettext_lazy("Arguments"), {"fields": ["given"]}),
        (
            gettext_lazy("Origin"),
            {"fields": [("schedule_id", "creator"), ("retried", "interruptions"), "own"]},
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
        _read_how_far(jobs)
        return changelist

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        job = super().get_object(*args, **kwargs)
        _read_who_serves([job] if job else [])
        return job

    @admin.display(description=gettext_lazy("state"))
    def status(self, job: Job | FinishedJob) -> SafeString:
        """In a list, how far those are that run."""
        told = job.__dict__.get("progress")
        return format_html("{} {}", super().status(job), labels.progress(told)) if told else super().status(job)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.cancel_job")

    def verbs(self, row: Job) -> dict[str, Verb]:
        if row.state in queue.UNSTARTED:
            return {"cancel": Verb(_("Cancel"), _("Ends the job without running it."))}
        if row.cancel_reason is None:
            return {"cancel": Verb(_("Ask to stop"), _("The task may heed it. The job does not run again."))}
        return {}

    @admin.action(description=gettext_lazy("Cancel selected jobs"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        alias, counts = options().DATABASE, Counts()
        reason = one_line(_("Cancelled by %(user)s.") % {"user": request.user}, LONGEST_TEXT - 1)
        for portion in cancelling(reason).portions([jobs], alias):
            self.log(request, FinishedJob.objects.using(alias).filter(pk__in=portion.reached.done), reason)
            self.log(request, Job.objects.using(alias).filter(pk__in=portion.reached.asked), _("Asked to stop."))
            counts = portion.added_to(counts)
        self._say_how_many(request, counts)

    def _say_how_many(self, request: HttpRequest, counts: Counts) -> None:
        said = []
        if counts.done or not counts.asked:
            said.append(ngettext("Cancelled %(count)d job.", "Cancelled %(count)d jobs.", counts.done))
        if counts.asked:
            one, several = "Asked %(count)d running job to stop.", "Asked %(count)d running jobs to stop."
            said.append(ngettext(one, several, counts.asked))
        if counts.skipped:
            one, several = "Skipped %(count)d that had finished.", "Skipped %(count)d that had finished."
            said.append(ngettext(one, several, counts.skipped))
        numbers = [count for count in (counts.done, counts.asked, counts.skipped) if count] or [0]
        words = " ".join(each % {"count": count} for each, count in zip(said, numbers, strict=True))
        self.message_user(request, words, messages.WARNING if counts.skipped else messages.SUCCESS)

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
        if job.cancel_reason is not None:
            return _("It was asked to stop. %(reason)s") % {"reason": masking.text(job.cancel_reason)}
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


def _read_how_far(jobs: Sequence[Job]) -> None:
    running = [job for job in jobs if job.state == JobState.RUNNING]
    told = progress_by_job(options().DATABASE, [job.pk for job in running])
    for job in running:
        job.__dict__["progress"] = told.get(job.pk)


@admin.register(FinishedJob)
class FinishedJobAdmin(JobRecordAdmin):
    """The history of jobs. Any of them can be enqueued again."""

    elsewhere = Job
    list_display: Any = ("title", "status", "queue", "ran", "tried", "ended")
    sortable_by = ("ended",)
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["task", "status", "why", ("queue", "priority", "tried"), ("nominal", "worker"), "again"]}),
        (gettext_lazy("Arguments"), {"fields": ["given"]}),
        (gettext_lazy("Result"), {"fields": ["returned", "kept"]}),
        (
            gettext_lazy("Origin"),
            {"fields": [("schedule_id", "creator"), ("retried", "interruptions"), "own"]},
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
        if row.retried_at is not None:
            return {}
        effect = _('Enqueues a new job with the same arguments on the queue "%(queue)s".') % {"queue": row.queue}
        return {"retry": Verb(_("Retry"), effect)}

    @admin.action(description=gettext_lazy("Retry selected jobs"), permissions=["retry"])
    def retry(self, request: HttpRequest, jobs: QuerySet[FinishedJob]) -> None:
        alias = options().DATABASE
        history = FinishedJob.objects.using(alias).defer("arguments", "errors", "result_text")
        counts, newest = Counts(), 0
        for portion in retrying().portions([jobs], alias):
            if again := portion.reached.done:
                self.log(request, history.filter(pk__in=again), _retried_as(again.values()))
                newest = max(again.values())
            counts = portion.added_to(counts)
        self._say_how_many(request, counts, newest)

    def _say_how_many(self, request: HttpRequest, counts: Counts, newest: int) -> None:
        if counts.done == 1:
            url = page_of_job(self.admin_site.name, Job, newest)
            said: str = format_html(_('Enqueued it again as <a href="{}">job #{}</a>.'), url, newest)
        else:
            said = ngettext("Enqueued %(count)d job again.", "Enqueued %(count)d jobs again.", counts.done)
            said %= {"count": counts.done}
        if counts.skipped:
            one, several = "Skipped %(count)d that was retried before.", "Skipped %(count)d that were retried before."
            skipped = ngettext(one, several, counts.skipped) % {"count": counts.skipped}
            said = format_html("{} {}", said, skipped)
        is_all = counts.done and not counts.skipped
        self.message_user(request, said, messages.SUCCESS if is_all else messages.WARNING)

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

    @admin.display(description=gettext_lazy("retried at"))
    def again(self, job: FinishedJob) -> SafeString | str:
        return labels.moment(job.retried_at, read_at(job))

    @admin.display(description=gettext_lazy("kept until"))
    def kept(self, job: FinishedJob) -> SafeString | str:
        """As its task says; else the settings say how long all of its kind stay."""
        return labels.moment(job.keep_until, read_at(job))

    @admin.display(description=gettext_lazy("reason"))
    def why(self, job: FinishedJob) -> str:
        return masking.text(job.reason) or labels.NOTHING


def _retried_as(ids: Collection[int]) -> str:
    """One text for all that were retried together."""
    if len(ids) == 1:
        return _("Retried as job #%(id)d.") % {"id": min(ids)}
    return _("Retried as one of the jobs #%(first)d to #%(last)d.") % {"first": min(ids), "last": max(ids)}
