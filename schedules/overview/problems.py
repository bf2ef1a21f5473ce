"""What needs somebody's attention, as values: a stable code and a sentence each.

Decides what counts as a problem in how things stand; what is wrong with a declaration or a setting is the
business of `checks`. It only reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from schedules.models import Leadership, Schedule
from worker import masking, roster
from worker.models import FinishedJob, FinishedState, Job, JobState, WorkerProcess
from worker.options import options

LATE = timedelta(minutes=1)
"""What has waited longer than this after its time is late."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps work from being done, or has made it fail."""

    code: str
    message: str
    schedule: str | None = None
    queue: str | None = None


def not_migrated(using: str) -> Problem:
    return Problem(
        "not-migrated",
        _('The tables are missing in database "%(database)s". Run manage.py migrate --database %(database)s.')
        % {"database": using},
    )


def not_synced(names: Collection[str]) -> Iterator[Problem]:
    if names:
        yield Problem(
            "not-synced",
            ngettext(
                "%(count)d schedule is declared here and not in the database (%(first)s). "
                "Start or restart manage.py process_tasks --leader.",
                "%(count)d schedules are declared here and not in the database (%(first)s …). "
                "Start or restart manage.py process_tasks --leader.",
                len(names),
            )
            % {"count": len(names), "first": min(names)},
        )


def of_leadership(leader: Leadership | None, last: Leadership | None, now: datetime) -> Iterator[Problem]:
    """`leader`: the term of the leader that is alive; `last`: the newest term of any."""
    if leader is not None:
        if leader.trouble:
            yield Problem("leader-trouble", f"{leader.leader}: {masking.text(leader.trouble)}")
        return
    if last is None:
        since = _("no process has ever led")
    else:
        since = _("no process has led for %(seconds)d s, the last was %(leader)s") % {
            "seconds": (now - last.renewed_at).total_seconds(),
            "leader": last.leader,
        }
    yield Problem(
        "no-leader",
        _("Nothing is being scheduled: %(since)s. Start manage.py process_tasks --leader.") % {"since": since},
    )


def of_schedule(
    row: Schedule, broken: str, last: FinishedJob | None, known_tasks: Collection[str], now: datetime
) -> Iterator[Problem]:
    """`broken`: why its next run cannot be told; `last`: its job that finished last."""
    words = {"name": row.name, "task": row.task}
    if row.status in ("ended", "retired"):
        return
    if broken:
        yield Problem("broken", _('"%(name)s" is broken: %(why)s') % {**words, "why": broken}, row.name)
    if row.task not in known_tasks:
        message = _('"%(name)s" names the task %(task)s, which this process does not know.') % words
        yield Problem("unknown-task", message, row.name)
    if row.status != "active":
        return
    if row.is_ahead(now):
        message = _('"%(name)s" stands still since the clock was set back; repair it in schedules.api.') % words
        yield Problem("ahead", message, row.name)
    if row.next_run_at is not None and row.next_run_at < now - LATE:
        seconds = (now - row.next_run_at).total_seconds()
        message = _('"%(name)s" is late by %(seconds)d s: it is due, and no leader has decided on it.')
        yield Problem("late", message % {**words, "seconds": seconds}, row.name)
    if last is not None and last.state == FinishedState.FAILED:
        message = _('"%(name)s" failed in its last run: %(why)s') % {**words, "why": masking.text(last.reason)}
        yield Problem("failing", message, row.name)


def of_queues(using: str, now: datetime) -> Iterator[Problem]:
    """Jobs whose time has come and that nobody starts."""
    due = Job.objects.using(using).filter(state__in=(JobState.READY, JobState.SCHEDULED), run_at__lte=now)
    served = served_queues(using, now)
    for queue, count, oldest in due.values_list("queue").annotate(Count("pk"), Min("run_at")).order_by("queue"):
        waited = now - oldest
        words = {"queue": queue, "count": count, "seconds": waited.total_seconds()}
        if served is not None and queue not in served:
            yield Problem("no-worker", _no_worker(count) % words, queue=queue)
        elif waited > LATE:
            yield Problem("late", _late(count) % words, queue=queue)


def of_jobs(using: str, known_tasks: Collection[str]) -> Iterator[Problem]:
    """Jobs that no worker with this code can run."""
    unknown = Job.objects.using(using).exclude(task__in=known_tasks)
    for task, queue, count in unknown.values_list("task", "queue").annotate(Count("pk")).order_by("task", "queue"):
        message = ngettext(
            "%(count)d job names the task %(task)s, which this process does not know.",
            "%(count)d jobs name the task %(task)s, which this process does not know.",
            count,
        )
        yield Problem("unknown-task", message % {"count": count, "task": task}, queue=queue)


def served_queues(using: str, now: datetime) -> set[str] | None:
    """The queues that a living worker drains; None: one of them drains all."""
    workers = living_workers(using, now)
    if any(not worker.queue_names for worker in workers):
        return None
    return {queue for worker in workers for queue in worker.queue_names}


def living_workers(using: str, now: datetime) -> list[WorkerProcess]:
    return list(roster.living(using, now - timedelta(seconds=options().RESCUE_AFTER)))


def _no_worker(count: int) -> str:
    return ngettext(
        'Queue "%(queue)s" has no worker: %(count)d job is due, for %(seconds)d s.',
        'Queue "%(queue)s" has no worker: %(count)d jobs are due, the oldest for %(seconds)d s.',
        count,
    )


def _late(count: int) -> str:
    return ngettext(
        'Queue "%(queue)s" is behind: %(count)d job is due, for %(seconds)d s.',
        'Queue "%(queue)s" is behind: %(count)d jobs are due, the oldest for %(seconds)d s.',
        count,
    )
