"""Due occurrences → ledger lines and jobs, in one transaction.

The caller decides who may do it (`prove`). Two guards here make sure that it is done once. The schedule's `revision` is
compared under a row lock and raised: if two processes read the same state, one finds it changed. And the ledger takes
each occurrence once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db import DataError, IntegrityError, connections, transaction
from django.db.models import F

from schedules import signals
from schedules.models import Schedule
from schedules.occurrences import ledger
from schedules.occurrences.due_schedules import (
    COUNTED_BY,
    UNREADABLE,
    Readable,
    instants_again,
    require_instants,
)
from schedules.occurrences.jobs import counts, job_of, lane_of, leave_behind
from schedules.planning import Decisions, Plan, Standing
from schedules.planning.policies import Overlap
from schedules.recurrence.zones import zone_version
from worker import queue
from worker.dialects import dialect_of
from worker.dialects.words import table
from worker.models import JobState
from worker.values import Unfinished

LONGEST_REASON = 1000
REFUSALS = (IntegrityError, DataError, *UNREADABLE)
"""What a change raises that one row makes impossible. Any other error of a database is about the session."""


@dataclass(frozen=True, slots=True)
class Authority:
    """In whose name it is done: the leader's term and the proof of its lock; or none, where an edit settles one row."""

    term: int | None = None
    prove: Callable[[], None] = lambda: None


ANYONE = Authority()


def materialize(using: str, now: datetime, schedules: Sequence[Readable], authority: Authority = ANYONE) -> int:
    """Decide on all that is due of these schedules by `now`, and write it down.

    Returns how many were settled: not those that somebody else holds or has changed meanwhile. A schedule that
    cannot be decided on is marked as broken; the others go on.
    """
    if not schedules:
        return 0
    busy = queue.unfinished_of([lane_of(each.id) for each in schedules if each.overlap != Overlap.ALLOW], using)
    decisions = Decisions(now)
    plans: list[tuple[Readable, Plan]] = []
    settled = 0
    for schedule in schedules:
        try:
            plans.append((schedule, _decide(schedule, busy, decisions)))
        except Exception as error:  # noqa: BLE001  whatever is wrong with one must not stop the rest
            settled += mark_broken(using, now, schedule, error, authority)
    changed = _changed(schedules, busy)
    try:
        return settled + _write(using, now, plans, changed, authority)
    except REFUSALS as error:
        if len(plans) == 1:
            return settled + mark_broken(using, now, plans[0][0], error, authority)
        return settled + sum(materialize(using, now, [schedule], authority) for schedule, _ in plans)


def mark_broken(using: str, now: datetime, schedule: Readable, error: Exception, authority: Authority) -> int:
    """Mark a schedule as broken: it is shown, and left alone until it is changed.

    Returns 1, or 0 if it was changed meanwhile.
    """
    reason = why_broken(error)
    unchanged = Schedule.objects.using(using).filter(pk=schedule.id)
    if isinstance(schedule.revision, int):  # SQLite may hold any text there
        unchanged = unchanged.filter(revision=schedule.revision)
    nothing_is_due = {"next_run_at": None, "paused_until": None}  # or every tick would try it again
    columns = {"broken": reason, "changed_at": now, **instants_again(schedule, now), **nothing_is_due}
    with transaction.atomic(using=using):
        authority.prove()
        marked = unchanged.update(revision=F("revision") + 1, **columns)
    if marked:
        tell = partial(signals.schedule_broken.send_robust, None, name=schedule.name, reason=reason)
        transaction.on_commit(tell, using=using)
    return marked


@contextmanager
def one_of_many(using: str, now: datetime, schedule: Schedule, authority: Authority) -> Iterator[None]:
    """A change of one schedule in its own transaction. If its row makes it impossible, that one alone is broken."""
    try:
        with transaction.atomic(using=using):
            authority.prove()
            yield
    except Schedule.DoesNotExist:
        pass  # deleted meanwhile
    except REFUSALS as error:
        mark_broken(using, now, schedule, error, authority)


def why_broken(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_REASON]


def standing_of(schedule: Readable, unfinished: Collection[Unfinished]) -> Standing:
    """Where it stands, with these jobs in its lane. One that a dead worker held frees it."""
    if not unfinished:  # as it mostly is
        return Standing(schedule.settled_until, schedule.runs)
    states = {job.state for job in unfinished if not job.interruptions and counts(schedule, job)}
    return Standing(schedule.settled_until, schedule.runs, bool(states), JobState.WAITING in states)


def _decide(schedule: Readable, busy: Mapping[str, Collection[Unfinished]], decisions: Decisions) -> Plan:
    require_instants(schedule, *COUNTED_BY)
    standing = standing_of(schedule, busy.get(lane_of(schedule.id), ()))
    return decisions.on(
        schedule.recurrence, schedule.policies, standing, seed=schedule.drawn_from, timezone=schedule.timezone
    )


def _changed(schedules: Iterable[Readable], busy: Mapping[str, Collection[Unfinished]]) -> set[int]:
    """Those that have unstarted jobs of a task or a queue which they have no more."""
    if not busy:
        return set()
    return {each.id for each in schedules for job in busy.get(lane_of(each.id), ()) if not counts(each, job)}


def _write(
    using: str, now: datetime, plans: Sequence[tuple[Readable, Plan]], changed: Collection[int], authority: Authority
) -> int:
    """`changed`: those whose lane some jobs are to leave."""
    if not plans:
        return 0
    with transaction.atomic(using=using):
        authority.prove()
        mine = _unchanged(using, [schedule for schedule, _ in plans])
        plans = [(schedule, plan) for schedule, plan in plans if schedule.id in mine]
        _move(using, plans)
        for schedule in (schedule for schedule, _ in plans if schedule.id in changed):
            leave_behind(schedule, using)
        jobs = [(schedule, run, job_of(schedule, run, now)) for schedule, plan in plans for run in plan.runs]
        ids = queue.enqueue_many([job for _, _, job in jobs], using)
        lines = [
            ledger.enqueued(schedule.id, run.scheduled_for, job_id, term=authority.term, now=now)
            for (schedule, run, _), job_id in zip(jobs, ids, strict=True)
        ]
        lines += [
            ledger.not_run(schedule.id, what, term=authority.term, now=now)
            for schedule, plan in plans
            for what in plan.not_run
        ]
        ledger.write(lines, using)
    return len(plans)


def _unchanged(using: str, schedules: Iterable[Readable]) -> set[int]:
    """Lock the rows that are as they were read, and return their keys. What another holds, it will also do."""
    revisions = {schedule.id: schedule.revision for schedule in schedules}
    connection = connections[using]
    dialect = dialect_of(connection)
    locked: list[tuple[int, int]] = []
    with connection.cursor() as cursor:
        for those, params in dialect.many.among(connection, Schedule, "id", list(revisions)):
            cursor.execute(
                f"SELECT id, revision FROM {table(connection, Schedule)} WHERE {those} {dialect.words.skip_locked}",
                params,
            )
            locked += cursor.fetchall()
    return {id for id, revision in locked if revisions[id] == revision}


class _Moved(NamedTuple):
    """What a tick changes of a schedule."""

    id: int
    settled_until: datetime
    next_run_at: datetime | None
    runs: int
    zone_version: str
    revision: int


def _move(using: str, plans: Iterable[tuple[Readable, Plan]]) -> None:
    connection = connections[using]
    edition = zone_version()
    dialect_of(connection).many.change(
        connection,
        Schedule,
        _Moved._fields,
        [
            _Moved(
                id=schedule.id,
                settled_until=plan.cursor,
                next_run_at=plan.next_run_at,
                runs=schedule.runs + len(plan.runs),
                zone_version=edition,
                revision=schedule.revision + 1,
            )
            for schedule, plan in plans
        ],
    )
