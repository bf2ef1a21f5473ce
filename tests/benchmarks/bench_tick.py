"""From a due instant to jobs in the queue: a thousand of many schedules, due at once, with expressions and zones mixed.

The leader's ticks run here, in a session of their own with the lock held and proved, until nothing is due. Beside
them: the same rows written by plain SQL, with nothing decided.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, product

from django.db import connection, connections, transaction

from schedules import api
from schedules.leader.glance import glance
from schedules.leader.lock import lock_on
from schedules.models import Occurrence, Schedule, identity_of
from schedules.occurrences.materialize import Authority
from schedules.scheduler import tick
from tests.app.tasks import leave_trace
from tests.benchmarks.measure import Contender, Figures, side_by_side
from worker.chores import Chores
from worker.dialects import dialect_of
from worker.models import FinishedJob, FinishedState, Job, JobState
from worker.sessions.connection import private_connection

SIZES = (1_000, 10_000, 100_000)
DUE = 1_000
INSTANT = datetime(2026, 6, 15, 12, tzinfo=UTC)
"""A Monday, past for any clock that looks at it."""
MIXED = [
    ("* * * * *", "UTC"),
    ("*/5 * * * *", "Europe/Paris"),
    ("*/15 * * * *", "Asia/Kolkata"),
    ("0 * * * *", "UTC"),
    ("0 */2 * * *", "America/New_York"),
    ("0 12 * * *", "UTC"),
    ("0 14 * * *", "Europe/Paris"),
    ("0 8 * * 1-5", "America/New_York"),
    ("30 17 * * *", "Asia/Kolkata"),
    ("0 21 15 * *", "Asia/Tokyo"),
    ("0 9 * * 1", "America/Sao_Paulo"),
    ("0 22 1,15 * *", "Australia/Brisbane"),
]
ALL_DIFFERENT = [(f"0,{minute} {hour},12 * * *", "UTC") for minute, hour in product(range(1, 60), range(13, 24))]


def main(runs: int) -> None:
    filled = 0
    for size in SIZES:
        fill(filled, size)
        filled = size
        contenders = [
            Contender("Carillon", partial(ours, MIXED)),
            Contender("Carillon, no two expressions alike", partial(ours, ALL_DIFFERENT)),
        ]
        if connection.vendor == "postgresql":
            contenders.append(Contender("bare SQL, nothing decided", bare))
        title = f"{DUE:,} due of {size:,} schedules, beside as many delayed and finished jobs"
        side_by_side(title, contenders, runs)


def ours(crons: Sequence[tuple[str, str]]) -> Figures:
    """The second of two: what is kept between ticks is there."""
    with private_connection(connection.alias, "leader") as using:
        lock = lock_on(using)
        assert lock.acquire()
        chores = Chores()

        def lead() -> None:
            while True:
                glance(using)
                due = tick(using, INSTANT, chores, Authority(1, lock.prove))
                if due is None or due > INSTANT:
                    return

        try:
            rewind(crons)
            lead()
            return _measured(lead, crons)
        finally:
            lock.release()


def bare() -> Figures:
    with private_connection(connection.alias, "bare") as using:
        rewind(MIXED)
        _write_bare(using)
        return _measured(partial(_write_bare, using), MIXED)


def rewind(crons: Sequence[tuple[str, str]]) -> None:
    """Nothing has run, and a thousand are due."""
    Job.objects.exclude(schedule_id=None).delete()
    Occurrence.objects.all().delete()
    due = Schedule.objects.order_by("pk").values_list("pk", flat=True)[:DUE]
    many = dialect_of(connection).many
    many.change(
        connection,
        Schedule,
        ("id", "cron", "timezone", "next_run_at", "settled_until"),
        [(key, *cron, INSTANT, INSTANT - _MOMENT) for key, cron in zip(due, cycle(crons), strict=False)],
    )
    _analyze()


def fill(have: int, size: int) -> None:
    """Schedules of which none is due, delayed jobs and finished ones, as many of each as that."""
    if not have:
        api.schedule(leave_trace, name="0", args=["trace"], cron="0 0 1 1 *")
        Schedule.objects.update(next_run_at=_LATER)
    first = Schedule.objects.order_by("pk")[0]
    Schedule.objects.bulk_create((_another(first, str(number)) for number in range(max(have, 1), size)), batch_size=500)
    what = {"task": first.task, "arguments": first.arguments, "queue": first.queue, "priority": 0, "max_attempts": 1}
    what |= {"enqueued_at": INSTANT, "run_at": _LATER}
    delayed = (Job(**what, state=JobState.SCHEDULED) for _ in range(have, size))
    Job.objects.bulk_create(delayed, batch_size=500)
    end = {"state": FinishedState.SUCCEEDED, "worker": "", "started_at": _LATER, "finished_at": _LATER}
    finished = (FinishedJob(id=10_000_000 + number, **what, **end, attempts=1) for number in range(have, size))
    FinishedJob.objects.bulk_create(finished, batch_size=500)


def _measured(work: Callable[[], object], crons: Sequence[tuple[str, str]]) -> Figures:
    rewind(crons)
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    for table in (Job, Occurrence):
        of = table.objects.filter(schedule_id__isnull=False).values_list("schedule_id", flat=True)
        assert len(of) == len(set(of)) == DUE, f"{table.__name__}: {len(of)} rows of {len(set(of))} schedules"
    return {"ms": 1e3 * took, "ms CPU": 1e3 * used}


def _write_bare(using: str) -> None:
    """Read the due rows, add jobs and ledger lines, move the rows: four statements with arrays, one transaction."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute(_READ, [INSTANT])
        ids, tasks, arguments, queues = (list(column) for column in zip(*cursor.fetchall(), strict=True))
        cursor.execute(_ADD_JOBS, [INSTANT, INSTANT, ids, tasks, arguments, queues])
        jobs = [job for (job,) in cursor.fetchall()]
        cursor.execute(_ADD_LINES, [INSTANT, INSTANT, ids, jobs])
        cursor.execute(_MOVE, [INSTANT, ids, [_LATER] * len(ids)])


def _another(schedule: Schedule, name: str) -> Schedule:
    row = copy.copy(schedule)
    row.pk, row.name, row.identity = None, name, identity_of(name)
    return row


def _analyze() -> None:
    with connection.cursor() as cursor:
        for table in (Schedule, Job, FinishedJob, Occurrence):
            cursor.execute(f"{_ANALYZE[connection.vendor]} {table._meta.db_table}")


_MOMENT = timedelta(seconds=30)
_LATER = INSTANT + timedelta(days=365)
_ANALYZE = {"postgresql": "ANALYZE", "sqlite": "ANALYZE", "mysql": "ANALYZE TABLE"}

_READ = f"""
SELECT id, task, arguments, queue FROM {Schedule._meta.db_table} WHERE next_run_at <= %s ORDER BY next_run_at FOR UPDATE
"""
_ADD_JOBS = f"""
INSERT INTO {Job._meta.db_table} (task, arguments, queue, priority, max_attempts, state, verbose_name, creator,
    schedule_id, scheduled_for, run_at, enqueued_at, attempts, interruptions, errors)
SELECT task, arguments, queue, 0, 1, 'ready', '', '', schedule, %s, %s, statement_timestamp(), 0, 0, ''
FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[]) AS due(schedule, task, arguments, queue)
RETURNING id
"""
_ADD_LINES = f"""
INSERT INTO {Occurrence._meta.db_table} (schedule_id, kind, scheduled_for, count, outcome, reason, job_id, recorded_at)
SELECT schedule, 'nominal', %s, 1, 'enqueued', '', job, %s FROM unnest(%b::bigint[], %b::bigint[]) AS due(schedule, job)
"""
_MOVE = f"""
UPDATE {Schedule._meta.db_table} AS schedule
SET settled_until = %s, next_run_at = due.next, runs = runs + 1, revision = revision + 1
FROM unnest(%b::bigint[], %b::timestamptz[]) AS due(id, next) WHERE schedule.id = due.id
"""
