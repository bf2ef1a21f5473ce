"""The queue's statements in SQL that every database here understands. A dialect overrides what it does better.

Instants go in through `to_database` and come out through `instant`; the clock is always the database's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import repeat
from typing import Any

from django.db import DatabaseError, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from worker.dialects.many import ROWS, ManyRows, Row, insertion
from worker.dialects.portions import portions
from worker.instants import written
from worker.models import FinishedJob, Job, WorkerProcess
from worker.values import ClaimedJob, Finish, Mark, NewJob, Wanted

GIVEN = tuple(name for name in NewJob._fields if name not in ("run_at", "delay"))
"""Columns that enqueueing is given. When a job starts is told by `run_at` and `delay` together."""

NEW = "run_at, enqueued_at, attempts, interruptions, errors"
"""Those that it fills besides."""

CLAIMED = tuple(name for name in ClaimedJob._fields if name != "claim")
"""Columns that a claim reads. The token it knows."""

TEXTS = ("arguments", "errors")
"""Those of them that may be long."""

FINISH = (*(name for name in Finish._fields if name != "job"), "worker")
"""Columns of history that say how a job ended."""

RECORD = tuple(str(field.column) for field in FinishedJob._meta.concrete_fields if field.column not in FINISH)
"""Those that a job takes into history unchanged, its id among them."""


class Dialect:
    now: str
    """SQL: the current instant by the database's clock."""
    later: str
    """SQL: that, plus a parameter of seconds."""
    written: str
    """SQL: the instant at which a row is written. Its statement may have begun earlier, and waited."""
    later_than_written: str
    """SQL: that, plus a parameter of seconds."""
    size = "octet_length"
    """SQL: the function that counts the bytes of a text, without reading it where it is stored apart."""
    row_lock: str
    """SQL: lock the rows of a SELECT until the transaction ends."""
    share_lock: str
    """SQL: keep the rows of a SELECT from being changed by others until the transaction ends."""
    skip_locked: str
    """SQL: the same, passing over rows that others hold."""
    join_in_order = "CROSS JOIN"
    """SQL: JOIN that looks up the right table for each row of the left."""
    notifies = False
    """Whether processes can be told of new work, instead of asking for it."""
    most_inserted = 1000
    """Jobs in one statement."""
    keeps_places = False
    """Whether a claim walks past jobs that are gone, as long as a transaction may still see them (`process.marks`)."""
    has_one_mark = False
    """Whether a claim begins beyond one id, and not at each priority beyond another."""
    finishes_by_one_statement = False
    """Whether recording what ended needs no transaction around it."""
    many = ManyRows()

    def instant(self, value: Any) -> datetime:
        """An instant as the database gave it → aware, UTC."""
        raise NotImplementedError

    def instants(self, values: Iterable[Any]) -> Iterable[datetime | None]:
        """The same of a column."""
        return [None if value is None else self.instant(value) for value in values]

    def readable(self, instant: str) -> str:
        """SQL for that instant, where the driver would read what is none as nothing. Others raise `UNREADABLE`."""
        return instant

    def once_free(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The same rows, to be changed by the clock when nobody else holds them. In a transaction."""
        return rows

    def to_database(self, connection: BaseDatabaseWrapper, value: Any) -> Any:
        """An instant as the database takes it. Any other value is taken as it is."""
        return written(value, connection.vendor) if isinstance(value, datetime) else value

    def misses_table(self, error: DatabaseError) -> bool:
        """Whether the database says that there is no such table."""
        raise NotImplementedError

    def refuses(self, error: DatabaseError) -> bool:
        """Whether it is about that statement, which is not allowed or names what is not there. The session is well."""
        raise NotImplementedError

    # enqueue

    def insert(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> list[int]:
        """Insert the jobs and return their ids in the same order."""
        sql, params = self._insertion(connection, jobs)
        with connection.cursor() as cursor:
            return self.execute_insert(cursor, sql, params, len(jobs))

    def insert_one(self, connection: BaseDatabaseWrapper, job: NewJob) -> tuple[int, datetime]:
        """Insert a job. Returns its id and when it was enqueued."""
        sql, params = self._insertion(connection, [job])
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} RETURNING id, enqueued_at", params)
            id, enqueued_at = cursor.fetchone()
        return id, self.instant(enqueued_at)

    def _insertion(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> tuple[str, list[Any]]:
        columns, given = columns_of(jobs)
        starts = [columns["run_at"], columns["delay"]]
        later = self.later if any(map(any, starts)) else ""
        sql = insert_values(table(connection, Job), given, later, self.now, len(jobs))
        rows = zip(*(columns[name] for name in given), *(starts if later else ()), strict=True)
        return sql, [self.to_database(connection, value) for row in rows for value in row]

    def insert_and_notify(
        self, connection: BaseDatabaseWrapper, job: NewJob, channel: str, topic: str
    ) -> tuple[int, datetime]:
        """Insert one job and tell whoever listens on the channel, where the database `notifies`."""
        raise NotImplementedError

    def execute_insert(self, cursor: CursorWrapper, sql: str, params: Sequence[Any], count: int) -> list[int]:
        cursor.execute(f"{sql} RETURNING id", params)
        return sorted(id for (id,) in cursor.fetchall())

    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        """Until the caller's transaction ends, whoever else asks to hold the key waits. `key`: 64 bits, signed."""
        raise NotImplementedError

    def insert_row(self, connection: BaseDatabaseWrapper, model: type[models.Model], **columns: Any) -> int:
        """Insert a row of any table, without a signal. Returns its id."""
        (id,) = self.insert_rows(connection, model, tuple(columns), [tuple(columns.values())])
        return id

    def insert_rows(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]
    ) -> list[int]:
        """The same of many. Returns their ids in the same order."""
        ids: list[int] = []
        with connection.cursor() as cursor:
            for some in portions(rows, ROWS):
                values = [self.to_database(connection, value) for row in some for value in row]
                sql = f"{insertion(connection, model, columns)} VALUES {', '.join([in_list(columns)] * len(some))}"
                ids += self.execute_insert(cursor, sql, values, len(some))
        return ids

    # promote

    def promote(
        self, connection: BaseDatabaseWrapper, *, now: datetime, limit: int, without: Collection[int] = ()
    ) -> int:
        """Make ready up to `limit` delayed jobs that were to run by `now`, those that wait longest. Returns how many.

        What another holds, it will promote itself.
        """
        jobs, moment = table(connection, Job), self.to_database(connection, now)
        others = f" AND id NOT IN {in_list(without)}" if without else ""
        due = f"FROM {jobs} WHERE state = 'scheduled' AND run_at <= %s{others}"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 {due} LIMIT 1", [moment, *without])
            if cursor.fetchone() is None:  # looking takes no lock
                return 0
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(f"SELECT id {due} ORDER BY run_at LIMIT %s {self.skip_locked}", [moment, *without, limit])
            ids = [id for (id,) in cursor.fetchall()]
            if ids:
                cursor.execute(
                    f"UPDATE {jobs} {self.along('PRIMARY')} SET state = 'ready' WHERE id IN {in_list(ids)}", ids
                )
        return len(ids)

    def next_due(self, connection: BaseDatabaseWrapper) -> str:
        """SQL for the instant of the next promotion: now, while any job waits for its turn."""
        jobs = table(connection, Job)
        return (
            f"CASE WHEN EXISTS (SELECT 1 FROM {jobs} WHERE state = 'waiting') THEN {self.now} "
            f"ELSE (SELECT {self.readable('MIN(run_at)')} FROM {jobs} WHERE state = 'scheduled') END"
        )

    # lanes

    def unfinished(self, connection: BaseDatabaseWrapper, lanes: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Lanes, and state, task, queue and interruptions of their jobs, each once."""
        with connection.cursor() as cursor:
            for theirs, params in self.many.among(connection, Job, "lane", lanes):
                cursor.execute(
                    f"SELECT DISTINCT lane, state, task, queue, interruptions FROM {table(connection, Job)} "
                    f"{self.along('worker_job_lane')} WHERE {theirs}",
                    params,
                )
                yield from cursor.fetchall()

    def lanes_in_line(self, connection: BaseDatabaseWrapper, beyond: str, limit: int) -> list[str]:
        """Up to `limit` lanes in which jobs wait, by name, from beyond that one.

        From lane to lane along the index, however many jobs wait in each.
        """
        next_lane = (
            f"SELECT lane FROM {table(connection, Job)} {self.along('worker_job_waiting')} "
            f"WHERE state = 'waiting' AND lane > {{}} ORDER BY lane LIMIT 1"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE in_line (lane, place) AS (SELECT ({next_lane.format('%s')}), 1 UNION ALL "
                f"SELECT ({next_lane.format('in_line.lane')}), place + 1 FROM in_line "
                f"WHERE lane IS NOT NULL AND place < %s) SELECT lane FROM in_line WHERE lane IS NOT NULL",
                [beyond, limit],
            )
            return [lane for (lane,) in cursor.fetchall()]

    def first_of_lanes(self, connection: BaseDatabaseWrapper, lanes: Sequence[str], now: datetime) -> list[int]:
        """The first jobs of these lanes, those that wait and were to run by `now`."""
        found: list[int] = []
        with connection.cursor() as cursor:
            for some in portions(lanes, _LANES):
                cursor.execute(*self._firsts_of(connection, some, now))
                found += [id for (id,) in cursor.fetchall() if id is not None]
        return found

    def _firsts_of(
        self, connection: BaseDatabaseWrapper, lanes: Sequence[str], now: datetime
    ) -> tuple[str, Sequence[Any]]:
        """SQL and parameters. Each by itself: MariaDB would sort all jobs of a lane that it does not know."""
        each, moment = f"SELECT ({self._first_of(connection, '%s')})", self.to_database(connection, now)
        return " UNION ALL ".join([each] * len(lanes)), [it for lane in lanes for it in (moment, lane)]

    def _first_of(self, connection: BaseDatabaseWrapper, lane: str) -> str:
        """SQL for the first job of that lane, if it waits and was to run by an instant: the first parameter."""
        return (
            f"SELECT CASE WHEN state = 'waiting' AND run_at <= %s THEN id END FROM {table(connection, Job)} "
            f"{self.along('worker_job_lane')} WHERE lane = {lane} ORDER BY id LIMIT 1"
        )

    # claim

    def claim(self, connection: BaseDatabaseWrapper, wanted: Wanted) -> list[ClaimedJob]:
        """Take what is wanted."""
        with connection.cursor() as cursor:
            ready, params = self._ready(connection, wanted)
            cursor.execute(f"SELECT 1 {ready} LIMIT 1", params)
            if cursor.fetchone() is None:  # looking takes no lock, so an idle worker is in nobody's way
                return []
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            rows: list[Sequence[Any]] = []
            for some in [[each] for each in wanted.queues] or [[]]:  # an index has the order of one queue, or of all
                ready, params = self._ready(connection, wanted._replace(queues=some))
                cursor.execute(
                    f"SELECT {columns_of_claim(self.size)} {ready} "
                    f"ORDER BY priority DESC, id LIMIT %s {self.skip_locked}",
                    [*[wanted.longest] * len(TEXTS), *params, wanted.limit],
                )
                rows += cursor.fetchall()
            claimed = self.claimed(rows, wanted.token)[: wanted.limit]
            if claimed and not self._mark_claimed(connection, cursor, wanted, [job.id for job in claimed]):
                return []
        return claimed

    def _ready(self, connection: BaseDatabaseWrapper, wanted: Wanted) -> tuple[str, list[Any]]:
        where, params = self._condition(wanted)
        along = self.along("worker_job_ready_queue" if wanted.queues else "worker_job_ready")
        return f"FROM {table(connection, Job)} {along} WHERE {where}", params

    def _condition(self, wanted: Wanted) -> tuple[str, list[Any]]:
        where, params = self.ready_filter(wanted)
        if wanted.interrupted_below is None:
            return where, params
        return f"{where} AND interruptions < %s", [*params, wanted.interrupted_below]

    def along(self, index: str) -> str:
        """SQL after a table: read it by that index."""
        return ""

    def ready_filter(self, wanted: Wanted) -> tuple[str, list[Any]]:
        """SQL and parameters for the jobs of the queues and tasks that are wanted."""
        conditions = ["state = 'ready'"]
        if wanted.queues:
            conditions.append(f"queue IN {in_list(wanted.queues)}")
        if wanted.without_tasks:
            conditions.append(f"task NOT IN {in_list(wanted.without_tasks)}")
        return " AND ".join(conditions), [*wanted.queues, *wanted.without_tasks]

    def take(self, connection: BaseDatabaseWrapper, *, token: int, ids: Collection[int]) -> None:
        """Take those of the jobs that nobody has started, to end them in the same transaction."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table(connection, Job)} {self.along('PRIMARY')} SET state = 'running', claim = %s "
                f"WHERE id IN {in_list(ids)} AND state <> 'running'",
                [token, *ids],
            )

    def taken(self, connection: BaseDatabaseWrapper, *, token: int, ids: Collection[int]) -> list[ClaimedJob]:
        """Those of the jobs that were taken so, without arguments."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {_TAKEN} FROM {table(connection, Job)} WHERE id IN {in_list(ids)} AND claim = %s",
                [*ids, token],
            )
            return self.claimed(cursor.fetchall(), token)

    def _mark_claimed(
        self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, wanted: Wanted, ids: Collection[int]
    ) -> bool:
        """While a worker claims, nobody strikes it off the roster. False: it was not there, and holds nothing."""
        cursor.execute(
            f"UPDATE {table(connection, Job)} {self.along('PRIMARY')} "
            f"SET state = 'running', claim = %s, worker_id = %s, claimed_at = {self.written} "
            f"WHERE id IN {in_list(ids)} "
            f"AND EXISTS (SELECT 1 FROM {table(connection, WorkerProcess)} WHERE id = %s {self.share_lock})",
            [wanted.token, wanted.worker_id, *ids, wanted.worker_id],
        )
        return bool(cursor.rowcount)

    def claimed(self, rows: Sequence[Sequence[Any]], token: int) -> list[ClaimedJob]:
        """The jobs of rows with the columns CLAIMED, the most urgent first. Column by column: that takes least time."""
        if not rows:
            return []
        columns: dict[str, Iterable[Any]] = dict(zip(CLAIMED, zip(*rows, strict=True), strict=True))
        if None in columns["run_at"]:  # SQLite and MySQL give nothing for what is no instant
            raise ValueError("A job has no instant that can be read in run_at.")
        columns["claim"] = repeat(token, len(rows))
        for name in _INSTANTS:
            if any(columns[name]):  # most are None for all
                columns[name] = self.instants(columns[name])
        columns["enqueued_at"] = _given_or(columns["enqueued_at"], columns["run_at"])
        jobs = map(ClaimedJob._make, zip(*(columns[name] for name in ClaimedJob._fields), strict=True))
        return sorted(jobs, key=lambda job: (-job.priority, job.id))

    # ack

    def finish(self, connection: BaseDatabaseWrapper, ends: Sequence[Finish], worker: str) -> set[tuple[int, int]]:
        """Move the jobs that are still held into history. Returns their holds.

        Call it in a transaction, unless it is one statement.
        """
        with connection.cursor() as cursor:
            held = self._held(connection, cursor, [end.job for end in ends])
            kept = [end for end in ends if end.job.hold in held]
            for some in portions(kept, ROWS, longest(kept)):
                self._move(connection, cursor, some, worker)
        return {end.job.hold for end in kept}

    def _held(
        self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, jobs: Sequence[ClaimedJob]
    ) -> set[tuple[int, int]]:
        ids = [job.id for job in jobs]
        cursor.execute(
            f"SELECT id, claim FROM {table(connection, Job)} {self.along('PRIMARY')} "
            f"WHERE id IN {in_list(ids)} AND claim IS NOT NULL "
            f"{self.row_lock}",
            ids,
        )
        return set(cursor.fetchall())

    def _move(
        self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, ends: Sequence[Finish], worker: str
    ) -> None:
        """The database copies what history keeps of a job; what its end has in common with the others is sent once."""
        jobs, history = table(connection, Job), table(connection, FinishedJob)
        rows = [
            (end.job.id, *(self.to_database(connection, value) for value in end[1:]), worker)  # the job is end[0]
            for end in ends
        ]
        columns = dict(zip(("id", *FINISH), zip(*rows, strict=True), strict=True))
        common = {name: values[0] for name, values in columns.items() if name != "id" and len(set(values)) == 1}
        own = [name for name in columns if name not in common]
        values = [value for row in zip(*(columns[name] for name in own), strict=True) for value in row]
        row = f"{self.row_constructor(cursor)}({', '.join(['%s'] * len(own))})"
        cursor.execute(
            f"INSERT INTO {history} ({', '.join((*RECORD, *FINISH))}) "
            f"WITH ended ({', '.join(own)}) AS (VALUES {', '.join([row] * len(ends))}) "
            f"SELECT {', '.join(f'job.{column}' for column in RECORD)}, "
            f"{', '.join('%s' if column in common else f'ended.{column}' for column in FINISH)} "
            f"FROM ended {self.join_in_order} {jobs} AS job ON job.id = ended.id",
            [*values, *common.values()],
        )
        self.delete(cursor, jobs, columns["id"])

    def mark(self, connection: BaseDatabaseWrapper) -> Mark:
        """Of a transaction that is to begin, and has begun then."""
        savepoint = connection.savepoint()
        assert savepoint is not None, "There are no transactions in this database."
        return Mark(savepoint)

    def require_mark(self, connection: BaseDatabaseWrapper, mark: Mark) -> None:
        """Raises DatabaseError if the transaction has ended meanwhile, or is broken. Before `finish_marked`."""
        connection.savepoint_commit(mark.name)

    def finish_marked(
        self, connection: BaseDatabaseWrapper, end: Finish, worker: str, mark: Mark, *, commit: bool
    ) -> bool:
        """The same for one job in the transaction of that mark, which may be committed by it as well.

        False: it is held no more, and the transaction has to be undone.
        """
        return bool(self.finish(connection, [end], worker))

    def delete(self, cursor: CursorWrapper, jobs: str, ids: Sequence[int]) -> None:
        cursor.execute(f"DELETE FROM {jobs} WHERE id IN {in_list(ids)}", ids)

    def row_constructor(self, cursor: CursorWrapper) -> str:
        """SQL before each row of VALUES."""
        return ""


_LANES = 100
"""In one statement, where each is asked about by itself."""
_TAKEN = ", ".join("'' AS arguments" if name == "arguments" else name for name in CLAIMED)
_INSTANTS = tuple(
    field.column
    for field in Job._meta.concrete_fields
    if isinstance(field, models.DateTimeField) and field.column in CLAIMED
)


def longest(ends: Sequence[Finish]) -> int:
    """Characters of the texts that one of these brings along, at the most."""
    errors, results = [len(end.errors) for end in ends], [len(end.result) for end in ends if end.result]
    return max(errors, default=0) + max(results, default=0)


def _given_or(instants: Iterable[datetime | None], others: Iterable[datetime]) -> Iterable[datetime]:
    """Mostly none of them is given."""
    return [given or other for given, other in zip(instants, others, strict=True)] if any(instants) else others


def columns_of(jobs: Sequence[NewJob]) -> tuple[dict[str, tuple[Any, ...]], tuple[str, ...]]:
    """The values of the jobs by their names, and which columns are given: not those that are None for all."""
    columns = dict(zip(NewJob._fields, zip(*jobs, strict=True), strict=True))
    given = (name for name in GIVEN if columns[name][0] is not None or columns[name].count(None) < len(jobs))
    return columns, tuple(given)


@lru_cache(maxsize=16)
def insert_values(jobs: str, given: Sequence[str], later: str, now: str, count: int) -> str:
    """SQL to insert so many jobs. Parameters: what is given of each, and `run_at` and `delay` if they start `later`."""
    start = f"COALESCE(%s, {later})" if later else now
    row = f"({'%s, ' * len(given)}{start}, {now}, 0, 0, '')"
    return f"INSERT INTO {jobs} ({', '.join(given)}, {NEW}) VALUES {', '.join([row] * count)}"


@lru_cache
def columns_of_claim(size: str, job: str = "") -> str:
    """SQL for the columns CLAIMED of the table `job`. Parameters: for each of TEXTS, how long they may be together.

    No `enqueued_at` is sent of a job that was to run at once: to read an instant costs more than all numbers together.
    """
    together = " + ".join(f"{size}({job}{name})" for name in TEXTS)
    text = f"CASE WHEN {together} <= %s THEN {job}{{0}} ELSE '' END AS {{0}}"
    other = {name: f"{job}{name}" for name in CLAIMED}
    other["enqueued_at"] = f"NULLIF({job}enqueued_at, {job}run_at) AS enqueued_at"
    return ", ".join(text.format(name) if name in TEXTS else other[name] for name in CLAIMED)


def table(connection: BaseDatabaseWrapper, model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def in_list(values: Collection[Any]) -> str:
    return f"({', '.join(['%s'] * len(values))})"
