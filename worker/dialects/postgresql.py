"""PostgreSQL: a batch is one statement, whatever its size, and the arguments travel once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.many import ManyRowsByArrays, as_table
from worker.dialects.portable import CLAIMED, FINISH, NEW, RECORD, Dialect, table
from worker.models import FinishedJob, Job
from worker.values import ClaimedJob, Finish, NewJob


class PostgreSQL(Dialect):
    now = "statement_timestamp()"
    later = "statement_timestamp() + %s * interval '1 second'"
    row_lock = "FOR UPDATE"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    notifies = True
    most_inserted = 10_000
    keeps_places = True
    finishes_by_one_statement = True
    many = ManyRowsByArrays()

    def instant(self, value: datetime) -> datetime:
        return value.astimezone(UTC)

    def insert(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> list[int]:
        """One statement for any number of jobs."""
        if len(jobs) == 1:
            return super().insert(connection, jobs)
        source, params = as_table(_INSERTED, jobs)
        later = self.later.replace("%s", "delay")
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table(connection, Job)} "
                f"({_GIVEN}, {NEW}) SELECT {_GIVEN}, COALESCE(run_at, {later}), {self.now}, 0, 0, '' "
                f"FROM {source} ORDER BY place RETURNING id",
                params,
            )
            return sorted(id for (id,) in cursor.fetchall())

    def insert_and_notify(self, connection: BaseDatabaseWrapper, job: NewJob, channel: str, topic: str) -> list[int]:
        sql, params = self._insertion(connection, [job])
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} RETURNING id, pg_notify(%s, %s)", [*params, channel, topic])
            return [id for id, _ in cursor.fetchall()]

    def promote(self, connection: BaseDatabaseWrapper, *, now: datetime, limit: int) -> int:
        jobs = table(connection, Job)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH due AS (SELECT id FROM {jobs} WHERE state = 'scheduled' AND run_at <= %s "
                f"ORDER BY run_at LIMIT %s FOR UPDATE SKIP LOCKED) "
                f"UPDATE {jobs} AS job SET state = 'ready' FROM due WHERE job.id = due.id",
                [now, limit],
            )
            return int(cursor.rowcount)

    def claim(
        self,
        connection: BaseDatabaseWrapper,
        *,
        token: int,
        worker_id: int,
        limit: int,
        queues: Collection[str],
        without_tasks: Collection[str],
        interrupted_below: int | None,
        beyond: Mapping[int, int],
    ) -> list[ClaimedJob]:
        jobs = table(connection, Job)
        wanted, params = _wanted(without_tasks, interrupted_below)
        if beyond:
            wanted = [*wanted, *_IN_STRETCH]
        match list(queues):
            case []:
                ready = _of_all_queues(jobs, wanted)
                params = [*params, limit]
            case [name]:
                ready = _of_one_queue(jobs, wanted)
                params = [*params, name, name, limit]
            case names:
                ready = _of_several_queues(jobs, wanted)
                params = [names, *params, limit + _HELD_BY_OTHERS, limit]
        if beyond:
            ready = _stretch_by_stretch(ready)
            params = [*_stretches(beyond), *params, limit]
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH ready AS ({ready}) "
                f"UPDATE {jobs} AS job SET state = 'running', claim = %s, worker_id = %s, claimed_at = {self.now} "
                f"FROM ready WHERE job.id = ready.id RETURNING {_CLAIMED}",
                [*params, token, worker_id],
            )
            claimed = [self.claimed(row, token) for row in cursor.fetchall()]
        return sorted(claimed, key=lambda job: (-job.priority, job.id))

    def finish(self, connection: BaseDatabaseWrapper, ends: Sequence[Finish], worker: str) -> set[tuple[int, int]]:
        source, params = as_table(
            _ENDED,
            [
                (
                    end.job.id,
                    end.job.claim,
                    end.state.value,
                    end.attempts,
                    end.errors,
                    end.reason,
                    worker,
                    end.started_at,
                    end.finished_at,
                )
                for end in ends
            ],
            compared={"id", "claim"},
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH gone AS (DELETE FROM {table(connection, Job)} AS job USING {source} "
                f"WHERE job.id = given.id AND job.claim = given.claim RETURNING job.claim, {_RECORDED}), "
                f"history AS (INSERT INTO {table(connection, FinishedJob)} ({', '.join((*RECORD, *FINISH))}) "
                f"SELECT {', '.join((*RECORD, *FINISH))} FROM gone) "
                f"SELECT id, claim FROM gone",
                params,
            )
            return set(cursor.fetchall())


def _wanted(without_tasks: Collection[str], interrupted_below: int | None) -> tuple[list[str], list[Any]]:
    """Conditions and their parameters."""
    conditions, params = ["state = 'ready'"], list[Any]()
    if without_tasks:
        conditions.append("task <> ALL(%s)")
        params.append(list(without_tasks))
    if interrupted_below is not None:
        conditions.append("interruptions < %s")
        params.append(interrupted_below)
    return conditions, params


def _of_all_queues(jobs: str, wanted: Sequence[str]) -> str:
    """SQL for what is ready, the most urgent first, and locked. Last parameter: a limit."""
    return f"{_most_urgent(jobs, wanted)} FOR UPDATE SKIP LOCKED"


def _of_one_queue(jobs: str, wanted: Sequence[str]) -> str:
    """SQL for the same of one queue. Last parameters: the queue, twice, and a limit."""
    return f"{_most_urgent(jobs, [*wanted, *_in_queue('%s')])} FOR UPDATE SKIP LOCKED"


def _of_several_queues(jobs: str, wanted: Sequence[str]) -> str:
    """SQL for the same of several: the first of each queue by its index, and of those one by one, as long as wanted.

    First parameter: the queues; last: a limit for each, and one for all. The last look is by the primary key: what is
    said of the state there matches no index over what is ready.
    """
    return (
        "SELECT held.id FROM (SELECT first.* FROM unnest(%s::text[]) AS wanted(queue), "
        f"LATERAL ({_most_urgent(jobs, [*wanted, *_in_queue('wanted.queue')])}) AS first "
        "ORDER BY first.urgency, first.id) AS candidate, "
        f"LATERAL (SELECT id FROM {jobs} WHERE id = candidate.id AND state || '' = 'ready' FOR UPDATE SKIP LOCKED) "
        "AS held LIMIT %s"
    )


def _most_urgent(jobs: str, conditions: Sequence[str]) -> str:
    chosen = " AND ".join(conditions)
    return f"SELECT id, {_URGENCY} AS urgency FROM {jobs} WHERE {chosen} ORDER BY {_URGENCY}, id LIMIT %s"


def _in_queue(name: str) -> list[str]:
    """The second says nothing new, but only the index of queues can tell it.

    Else the planner might take the index of all queues, and for one that is empty walk through all others.
    """
    return [f"queue = {name}", f"(queue, {_URGENCY}) >= ({name}::text, {_FIRST})"]


def _stretch_by_stretch(ready: str) -> str:
    """SQL for the same in one stretch of the index after the other, as long as jobs are wanted.

    First parameters: the stretches; last: a limit for all.
    """
    return (
        "SELECT found.id FROM unnest(%s::integer[], %s::bigint[], %s::integer[]) AS stretch(urgency, mark, until), "
        f"LATERAL ({ready}) AS found LIMIT %s"
    )


def _stretches(beyond: Mapping[int, int]) -> tuple[list[int], list[int], list[int]]:
    """The index, cut at each priority that is marked: where a stretch begins, by urgency and id, and where it ends."""
    begins = [(_FIRST, 0), *sorted((-priority, mark) for priority, mark in beyond.items())]
    urgencies = [urgency for urgency, _ in begins]
    return urgencies, [mark for _, mark in begins], [*urgencies[1:], _LAST]


_URGENCY = "priority * -1"
"""What is most urgent comes first along the index (`StateIndex`); the primary key has no such order to offer."""
_FIRST, _LAST = -(2**15), 2**15 + 1
"""Around what it can be."""
_IN_STRETCH = (f"({_URGENCY}, id) >= (stretch.urgency, stretch.mark)", f"{_URGENCY} < stretch.until")
_HELD_BY_OTHERS = 1000
"""Jobs of a queue that others may be claiming at the same time; behind them there may be more."""

_INSERTED = {
    "task": "text",
    "arguments": "text",
    "queue": "text",
    "priority": "smallint",
    "max_attempts": "integer",
    "state": "text",
    "verbose_name": "text",
    "creator": "text",
    "lane": "text",
    "schedule_id": "bigint",
    "scheduled_for": "timestamptz",
    "start_by": "timestamptz",
    "retry_before": "timestamptz",
    "retry_of": "bigint",
    "run_at": "timestamptz",
    "delay": "float8",
}
"""The parameters of an inserted job, in their order, and their types."""

_GIVEN = ", ".join(NewJob._fields[:-2])

_ENDED = {
    "id": "bigint",
    "claim": "bigint",
    "state": "text",
    "attempts": "integer",
    "errors": "text",
    "reason": "text",
    "worker": "text",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
}
"""How a job ended: its hold, and the columns of history that it adds."""

_CLAIMED = ", ".join(f"job.{column}" for column in CLAIMED)
_RECORDED = ", ".join([*(f"job.{column}" for column in RECORD), *(f"given.{column}" for column in FINISH)])
