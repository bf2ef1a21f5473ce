"""Why a job waits, in one sentence. It reads the job, and is told which queues are drained."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.utils.translation import gettext as _

from worker import tasks
from worker.models import Job, JobState
from worker.serving import what_is_served
from worker.unknown import why_unknown


def why_it_waits(job: Job, now: datetime, served: Collection[str] | None) -> str:
    """Empty for a job that runs. `served`: the queues that living workers drain; None: all."""
    match job.state:
        case JobState.RUNNING:
            return ""
        case JobState.HELD:
            return _("Its schedule is paused.")
        case JobState.WAITING:
            return _("The run before it, of the same schedule, is not finished.")
        case JobState.SCHEDULED if job.run_at > now:
            return _("Its next attempt is not due yet.") if job.attempts else _("Its time has not come.")
    if served is not None and job.queue not in served:
        return f"{_('No worker drains its queue.')} {what_is_served(served)}"
    if not tasks.is_registered(job.task):
        return f"{_('This process does not know its task.')} {why_unknown(job.task)}"
    return _("It waits for a free slot.")
