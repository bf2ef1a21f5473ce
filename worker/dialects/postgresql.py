"""PostgreSQL: a batch is one statement, whatever its size, and the arguments travel once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, OperationalError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from worker.dialects.many import ManyRowsByArrays, Row, as_table, insertion
from worker.dialects.portable import (
    FINISH,
    NEW,
    RECORD,
    TEXTS,
    Dialect,
    columns_of,
    columns_of_claim,
    longest,
    table,
)
from worker.dialects.portions import portions
from worker.dialects.single import ENDED, NOT_HELD, SingleRecord, single_record
from worker.instants import read
from worker.models import FinishedJob, Job, WorkerProcess
from worker.values import ClaimedJob, Finish, Mark, NewJob, Wanted


class PostgreSQL(Dialect):
    now = "statement_timestamp()"
    later = "statement_timestamp() + %s * interval '1 second'"
    written = "clock_timestamp()"
    later_than_written = "clock_timestamp() + %s * interval '1 second'"
    row_lock = "FOR UPDATE"
    share_lock = "FOR KEY SHARE"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    notifies = True
    most_inserted = 10_000
    keeps_places = True
    finishes_by_one_statement = True
    many = ManyRowsByArrays()

    def instant(self, value: datetime) -> datetime:
        return read(value, "postgresql")

    def instants(self, values: Iterable[datetime | None]) -> Iterable[datetime | None]:
        """They are in UTC already, unless the project or its session has another zone."""
        zones = {value.tzinfo for value in values if value is not None}
        return values if zones == {UTC} else super().instants(values)

    def once_free(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """An UPDATE that waits for a row has read the clock before; one of rows that a subquery holds has not."""
        held = rows.select_for_update(no_key=True).values("pk")
        return QuerySet(rows.model, using=rows.db).filter(pk__in=held)

    def misses_table(self, error: DatabaseError) -> bool:
        return _code_of(error) == _UNDEFINED_TABLE

    def refuses(self, error: DatabaseError) -> bool:
        return _code_of(error) in _REFUSALS

    def insert(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> list[int]:
        """One statement for any number of jobs."""
        if len(jobs) == 1:
            return super().insert(connection, jobs)
        sql, params = self._insertion_of_many(connection, jobs)
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return sorted(id for (id,) in cursor.fetchall())

    def _insertion_of_many(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> tuple[str, list[Any]]:
        """Apart, so that the columns are gone when the answer arrives: garbage collection would walk through them."""
        columns, given = columns_of(jobs)
        kinds = {**self.many.kinds_of(connection, Job, (*given, "run_at")), "delay": "float8"}
        source, params = as_table(kinds, [columns[name] for name in kinds])
        names, later = ", ".join(given), self.later.replace("%s", "delay")
        sql = (
            f"INSERT INTO {table(connection, Job)} "
            f"({names}, {NEW}) SELECT {names}, COALESCE(run_at, {later}), {self.now}, 0, 0, '' "
            f"FROM {source} ORDER BY place RETURNING id"
        )
        return sql, params

    def insert_and_notify(
        self, connection: BaseDatabaseWrapper, job: NewJob, channel: str, topic: str
    ) -> tuple[int, datetime]:
        sql, params = self._insertion(connection, [job])
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} RETURNING id, enqueued_at, pg_notify(%s, %s)", [*params, channel, topic])
            id, enqueued_at, _ = cursor.fetchone()
        return id, self.instant(enqueued_at)

    def insert_rows(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]
    ) -> list[int]:
        if len(rows) == 1:
            return super().insert_rows(connection, model, columns, rows)
        kinds = self.many.kinds_of(connection, model, tuple(columns))
        source, params = as_table(kinds, list(zip(*rows, strict=True)))
        names = ", ".join(columns)
        with connection.cursor() as cursor:
            cursor.execute(
                f"{insertion(connection, model, columns)} SELECT {names} FROM {source} ORDER BY place RETURNING id",
                params,
            )
            return sorted(id for (id,) in cursor.fetchall())

    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])

    def promote(
        self, connection: BaseDatabaseWrapper, *, now: datetime, limit: int, without: Collection[int] = ()
    ) -> int:
        jobs, others = table(connection, Job), " AND id <> ALL(%s)" if without else ""
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH due AS (SELECT id FROM {jobs} WHERE state = 'scheduled' AND run_at <= %s{others} "
                f"ORDER BY run_at LIMIT %s FOR UPDATE SKIP LOCKED) "
                f"UPDATE {jobs} AS job SET state = 'ready' FROM due WHERE job.id = due.id",
                [now, *([[*without]] if without else []), limit],
            )
            return int(cursor.rowcount)

    def _firsts_of(
        self, connection: BaseDatabaseWrapper, lanes: Sequence[str], now: datetime
    ) -> tuple[str, Sequence[Any]]:
        first = self._first_of(connection, "given.lane")
        return f"SELECT ({first}) FROM unnest(%s::varchar[]) AS given(lane)", [now, list(lanes)]

    def claim(self, connection: BaseDatabaseWrapper, wanted: Wanted) -> list[ClaimedJob]:
        """While a worker claims, nobody strikes it off the roster, and one that is not there holds nothing.

        Its row is locked only if something is ready: an idle worker is in nobody's way.
        """
        jobs = table(connection, Job)
        conditions, params = _conditions(wanted)
        match wanted.queues:
            case []:
                ready = _of_all_queues(jobs, conditions)
                params = [*params, wanted.limit]
            case [name]:
                ready = _of_one_queue(jobs, conditions)
                params = [*params, name, name, wanted.limit]
            case names:
                ready = _of_several_queues(jobs, conditions)
                params = [[*names], *params, wanted.limit + _HELD_BY_OTHERS, wanted.limit]
        if wanted.beyond:
            ready = _stretch_by_stretch(ready)
            params = [*_stretches(wanted.beyond), *params, wanted.limit]
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH ready AS ({ready}), "
                f"claimant AS (SELECT id FROM {table(connection, WorkerProcess)} "
                f"WHERE id = %s AND EXISTS (SELECT 1 FROM ready) {self.share_lock}) "
                f"UPDATE {jobs} AS job "
                f"SET state = 'running', claim = %s, worker_id = claimant.id, claimed_at = {self.written} "
                f"FROM ready, claimant WHERE job.id = ready.id RETURNING {columns_of_claim(self.size, 'job.')}",
                [*params, wanted.worker_id, wanted.token, *[wanted.longest] * len(TEXTS)],
            )
            return self.claimed(cursor.fetchall(), wanted.token)

    def finish(self, connection: BaseDatabaseWrapper, ends: Sequence[Finish], worker: str) -> set[tuple[int, int]]:
        """More than one statement, and so a transaction of the caller, only where the texts are long."""
        some = portions(ends, len(ends), longest(ends))
        return {hold for each in some for hold in self._finish(connection, each, worker)}

    def _finish(self, connection: BaseDatabaseWrapper, ends: Sequence[Finish], worker: str) -> list[tuple[int, int]]:
        rows = [(end.job.id, end.job.claim, *end[1:], worker) for end in ends]  # the job is end[0]
        columns = dict(zip(("id", "claim", *FINISH), zip(*rows, strict=True), strict=True))
        if not any(columns["result"]):  # which nearly all are without
            del columns["result"]
        finish = tuple(name for name in columns if name not in ("id", "claim"))
        kinds = {
            **self.many.kinds_of(connection, Job, ("id", "claim")),
            **self.many.kinds_of(connection, FinishedJob, finish),
        }
        source, params = as_table(kinds, list(columns.values()), compared={"id", "claim"})
        with connection.cursor() as cursor:
            cursor.execute(_finishing(table(connection, Job), table(connection, FinishedJob), source, finish), params)
            return list(cursor.fetchall())

    def mark(self, connection: BaseDatabaseWrapper) -> Mark:
        """By the instant at which the transaction began, which it has for itself. It takes the round trip of BEGIN."""
        asked = self._single(connection).asked
        session, level = connection.connection, connection.connection.isolation_level
        if any(each is not None for each in (level, session.read_only, session.deferrable)):
            with connection.cursor() as cursor:  # the driver knows how to begin, and does so first
                cursor.execute(asked)
                begun_at, is_prepared = cursor.fetchone()
                return Mark(begun_at, is_prepared=is_prepared)
        with connection.wrap_database_errors:
            answer = session.pgconn.exec_(f"BEGIN; {asked}".encode())
        if not answer.ntuples:
            raise OperationalError(session.pgconn.get_error_message())
        return Mark(answer.get_value(0, 0).decode(), is_prepared=answer.get_value(0, 1) == b"t")

    def require_mark(self, connection: BaseDatabaseWrapper, mark: Mark) -> None:
        """As far as it is known here. That it is no other transaction is seen when it is finished."""
        connection.validate_no_broken_transaction()
        status = connection.connection.info.transaction_status
        if status.name != "INTRANS":
            raise TransactionManagementError(f"The transaction of the job was ended or broken in it ({status.name}).")

    def finish_marked(
        self, connection: BaseDatabaseWrapper, end: Finish, worker: str, mark: Mark, *, commit: bool
    ) -> bool:
        """One round trip with the commit, if the driver writes the values into the statement.

        What must not be committed is an error of the statement, so that the server goes no further.
        """
        statement = self._single(connection)
        try:
            with connection.cursor() as cursor:
                sql = statement.plain
                if hasattr(cursor, "mogrify"):
                    sql = (statement.again if mark.is_prepared else statement.first) + "; COMMIT" * commit
                cursor.execute(sql, [end.job.id, end.job.claim, *end[1:], worker, mark.name])
        except DatabaseError as error:
            if NOT_HELD in str(error):
                return False
            if ENDED in str(error):
                raise TransactionManagementError("The transaction of the job was ended within it.") from error
            raise
        return True

    def _single(self, connection: BaseDatabaseWrapper) -> SingleRecord:
        kinds = self.many.kinds_of(connection, FinishedJob, FINISH)
        return single_record(table(connection, Job), table(connection, FinishedJob), tuple(kinds.values()))


def _code_of(error: DatabaseError) -> str | None:
    """https://www.postgresql.org/docs/current/errcodes-appendix.html. Psycopg 2 has it as well."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", getattr(cause, "pgcode", None))


def _conditions(wanted: Wanted) -> tuple[list[str], list[Any]]:
    """What is true of each job that is wanted, and the parameters."""
    conditions, params = ["state = 'ready'"], list[Any]()
    if wanted.without_tasks:
        conditions.append("task <> ALL(%s)")
        params.append([*wanted.without_tasks])
    if wanted.interrupted_below is not None:
        conditions.append("interruptions < %s")
        params.append(wanted.interrupted_below)
    if wanted.beyond:
        conditions += _IN_STRETCH
    return conditions, params


def _of_all_queues(jobs: str, conditions: Sequence[str]) -> str:
    """SQL for what is ready, the most urgent first, and locked. Last parameter: a limit."""
    return f"{_most_urgent(jobs, conditions)} FOR UPDATE SKIP LOCKED"


def _of_one_queue(jobs: str, conditions: Sequence[str]) -> str:
    """SQL for the same of one queue. Last parameters: the queue, twice, and a limit."""
    return f"{_most_urgent(jobs, [*conditions, *_in_queue('%s')])} FOR UPDATE SKIP LOCKED"


def _of_several_queues(jobs: str, conditions: Sequence[str]) -> str:
    """SQL for the same of several: the first of each queue by its index, and of those one by one, as long as wanted.

    First parameter: the queues; last: a limit for each, and one for all. The last look is by the primary key: what is
    said of the state there matches no index over what is ready.
    """
    return (
        "SELECT held.id FROM (SELECT first.* FROM unnest(%s::text[]) AS wanted(queue), "
        f"LATERAL ({_most_urgent(jobs, [*conditions, *_in_queue('wanted.queue')])}) AS first "
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
_UNDEFINED_TABLE = "42P01"
_REFUSALS = {"42501", "P0001"}
"""No privilege, and a trigger that raises."""
_HELD_BY_OTHERS = 1000
"""Jobs of a queue that others may be claiming at the same time; behind them there may be more."""


def _finishing(jobs: str, history: str, source: str, finish: Sequence[str]) -> str:
    """SQL: jobs that are held by the claims that are given go into history, with these columns of their ends."""
    columns = ", ".join((*RECORD, *finish))
    recorded = ", ".join([*(f"job.{column}" for column in RECORD), *(f"given.{column}" for column in finish)])
    return (
        f"WITH gone AS (DELETE FROM {jobs} AS job USING {source} "
        f"WHERE job.id = given.id AND job.claim = given.claim RETURNING job.claim, {recorded}), "
        f"history AS (INSERT INTO {history} ({columns}) SELECT {columns} FROM gone) "
        f"SELECT id, claim FROM gone"
    )
