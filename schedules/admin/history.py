"""The past of a schedule on its page: its last jobs and the last lines of its ledger."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from schedules.admin.ledger import instants_of, job_of, outcome_of
from schedules.models import Occurrence, Schedule
from schedules.occurrences.jobs import is_left_behind, lanes_of
from worker import masking
from worker.admin import labels
from worker.admin.records import page_of_job
from worker.models import FinishedJob, Job
from worker.options import options

LAST_JOBS = 10
LAST_LINES = 20


class ToldJob(NamedTuple):
    """A job as a row of a table."""

    id: str
    url: str
    state: SafeString
    start: SafeString | str
    took: str
    reason: str


class ToldLine(NamedTuple):
    """A line of the ledger as a row of a table."""

    when: SafeString
    outcome: SafeString
    reason: str
    job: SafeString | str


def last_jobs(row: Schedule, site: str, now: datetime) -> list[ToldJob]:
    """The unfinished first, then what finished last."""
    alias = options().DATABASE
    jobs = Job.objects.using(alias).order_by("-pk")
    live = [job for lane in lanes_of(row.pk) for job in jobs.filter(lane=lane)[:LAST_JOBS]]
    finished = FinishedJob.objects.using(alias).filter(schedule_id=row.pk).order_by("-finished_at")[:LAST_JOBS]
    return [*(_unfinished(job, site, now) for job in live), *(_finished(job, site, now) for job in finished)]


def last_lines(row: Schedule, site: str, now: datetime) -> list[ToldLine]:
    lines = Occurrence.objects.using(options().DATABASE).filter(schedule=row.pk).select_related("schedule")
    return [
        ToldLine(instants_of(line, now), outcome_of(line), masking.text(line.reason), job_of(line, site))
        for line in lines.order_by("-scheduled_for")[:LAST_LINES]
    ]


def _unfinished(job: Job, site: str, now: datetime) -> ToldJob:
    state = labels.status(job.state, job.get_state_display())
    reason = _("Its schedule has another task or queue now.") if is_left_behind(job) else ""
    page = page_of_job(site, type(job), job.pk)
    return ToldJob(f"#{job.pk}", page, state, labels.moment(job.run_at, now), labels.NOTHING, reason)


def _finished(job: FinishedJob, site: str, now: datetime) -> ToldJob:
    return ToldJob(
        id=f"#{job.pk}",
        url=page_of_job(site, type(job), job.pk),
        state=labels.status(job.state, job.get_state_display()),
        start=labels.moment(job.started_at, now) if job.started_at else _("not started"),
        took=labels.took(job.started_at, job.finished_at),
        reason=labels.first_line(masking.text(job.reason)),
    )
