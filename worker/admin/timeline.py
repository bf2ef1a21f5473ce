"""The timeline of a job, from its nominal time to its end. It reads one row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from worker import masking
from worker.admin import labels
from worker.models import FinishedJob, Job, JobRecord
from worker.signs import Tone, sign_of

AT_ONCE = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a job, or will."""

    at: datetime
    status: str
    words: str
    after: str = ""
    """How long after the step before it."""

    @property
    def tone(self) -> Tone:
        return sign_of(self.status).tone


def steps(job: Job | FinishedJob, worker: str) -> list[Step]:
    """All steps in the order of time. `worker`: the name of the one that holds the job, if one does."""
    told: list[Step] = []
    for step in sorted(_steps(job, worker), key=lambda step: step.at):
        after = f"+{labels.duration(step.at - told[-1].at)}" if told else ""
        told.append(Step(step.at, step.status, step.words, after))
    return told


def _steps(job: Job | FinishedJob, worker: str) -> Iterator[Step]:
    if job.scheduled_for is not None:
        yield Step(job.scheduled_for, "scheduled", _("Scheduled for"))
    yield Step(job.enqueued_at, "ready", _("Enqueued"))
    yield from _failures(job)
    yield from (_end(job) if isinstance(job, FinishedJob) else _standing(job, worker))


def _failures(job: JobRecord) -> Iterator[Step]:
    for error in job.error_list:
        what = {"number": error["attempt"], "kind": masking.line(error["kind"])}
        words = _("Attempt %(number)d failed: %(kind)s") % what
        yield Step(datetime.fromisoformat(error["at"]), "failed", words)


def _standing(job: Job, worker: str) -> Iterator[Step]:
    if job.run_at - job.enqueued_at > AT_ONCE:
        yield Step(job.run_at, "scheduled", _("Next attempt") if job.attempts else _("May start"))
    if job.claimed_at is not None:
        yield Step(job.claimed_at, "running", _("Claimed by %(worker)s") % {"worker": worker})


def _end(job: FinishedJob) -> Iterator[Step]:
    if job.started_at is not None:
        words = _("Started by %(worker)s") % {"worker": job.worker} if job.worker else _("Started")
        yield Step(job.started_at, "running", words)
    # Of the attempt that failed last, the end is told already.
    told = job.error_list and job.state == "failed" and job.error_list[-1]["attempt"] == job.attempts
    if not told:
        yield Step(job.finished_at, job.state, job.get_state_display().capitalize())
