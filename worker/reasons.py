"""Why a job does not run, in one sentence. It reads the job, and is told which queues are drained."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from worker import tasks
from worker.models import Job, JobState
from worker.queue import has_ended
from worker.serving import what_is_served
from worker.unknown import why_unknown

PROMOTED_WITHIN = timedelta(minutes=1)
"""After its time. Later than that, it is not a matter of time."""


def why_it_waits(job: Job, now: datetime, served: Collection[str] | None) -> str:
    """Empty for a job that runs. `served`: the queues that living workers drain; None: all."""
    if job.state == JobState.RUNNING:
        return ""
    if _is_to_come(job, now):
        return _("Its next attempt is not due yet.") if job.attempts else _("Its time has not come.")
    return what_hinders(job, now, served) or _("It waits for a free slot.")


def what_hinders(job: Job, now: datetime, served: Collection[str] | None) -> str:
    """The same for a job that cannot run though it is due. Empty: it only waits for a slot, or for its time."""
    if job.state == JobState.RUNNING or _is_to_come(job, now):
        return ""
    if has_ended(job.errors):
        return _("It has ended, and the database refuses to record that.")
    if job.state == JobState.HELD:
        return _("Its schedule is paused.")
    if served is not None and job.queue not in served:
        return " ".join([_("No worker drains its queue.")] * bool(served) + [what_is_served(served)])
    if not tasks.is_registered(job.task):
        return f"{_('This process does not know its task.')} {why_unknown(job.task)}"
    if job.state == JobState.WAITING:
        return _("The run before it, of the same schedule, is not finished.")
    if job.state == JobState.SCHEDULED and now - job.run_at > PROMOTED_WITHIN:
        return _("Its time has come, and no process has made it ready. list_schedule --check may say why.")
    return ""


def _is_to_come(job: Job, now: datetime) -> bool:
    return job.state == JobState.SCHEDULED and job.run_at > now
