"""MySQL 8 and MariaDB ≥ 10.6."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from worker.dialects.many import ManyRowsByJson, as_json
from worker.dialects.portable import NEW, TEXTS, Dialect, columns_of, columns_of_claim, in_list, table
from worker.instants import in_bounds
from worker.models import CallLock, FinishedJob, Job
from worker.values import ClaimedJob, NewJob, Wanted

CALL_LOCKS = 1024
"""Rows of `CallLock`: so many calls can be made at once that do not wait for each other, if they are lucky."""


class MySQL(Dialect):
    now = "UTC_TIMESTAMP(6)"
    later = "UTC_TIMESTAMP(6) + INTERVAL (%s * 1000000) MICROSECOND"
    written = "SYSDATE(6) + INTERVAL TIMESTAMPDIFF(MICROSECOND, NOW(6), UTC_TIMESTAMP(6)) MICROSECOND"
    later_than_written = f"{written} + INTERVAL (%s * 1000000) MICROSECOND"
    row_lock = "FOR UPDATE"
    share_lock = "LOCK IN SHARE MODE"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    join_in_order = "STRAIGHT_JOIN"
    keeps_places = True
    has_one_mark = True
    many = ManyRowsByJson()

    def instant(self, value: datetime) -> datetime:
        return value.replace(tzinfo=UTC)

    def readable(self, instant: str) -> str:
        return in_bounds(instant, "mysql")

    def misses_table(self, error: DatabaseError) -> bool:
        return error.args[:1] == (_NO_SUCH_TABLE,)

    def refuses(self, error: DatabaseError) -> bool:
        """What others call an error of the statement, the drivers here call one of operation."""
        return bool(error.args) and error.args[0] in _REFUSALS

    def claim(self, connection: BaseDatabaseWrapper, wanted: Wanted) -> list[ClaimedJob]:
        """What a look finds, which takes no lock, is locked by key: the first of it that nobody else holds.

        To lock along an index costs twenty times as much for each place of what is gone.
        """
        most = 2 * wanted.limit
        while found := self._look(connection, wanted, most):
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                claimed = self._locked(connection, cursor, wanted, found)
                if claimed and not self._mark_claimed(connection, cursor, wanted, [job.id for job in claimed]):
                    return []
            if claimed or len(found) < most:
                return claimed
            most += _HELD_BY_OTHERS
        return []

    def _look(self, connection: BaseDatabaseWrapper, wanted: Wanted, most: int) -> Sequence[int]:
        """Ids of up to so many jobs that are wanted, the most urgent first."""
        with connection.cursor() as cursor:
            if wanted.beyond and (young := self._young(connection, cursor, wanted)) is not None:
                return young[:most]
            looks, params = list[str](), list[Any]()
            for some in [[each] for each in wanted.queues] or [[]]:  # an index has the order of one queue, or of all
                ready, theirs = self._ready(connection, wanted._replace(queues=some))
                looks.append(f"SELECT id, priority {ready} {_MOST_URGENT}")
                params += [*theirs, most]
            if len(looks) > 1:
                looks = [f"SELECT id, priority FROM (({') UNION ALL ('.join(looks)})) AS ready {_MOST_URGENT}"]
                params.append(most)
            cursor.execute(looks[0], params)
            return [id for id, _ in cursor.fetchall()]

    def _young(self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, wanted: Wanted) -> Sequence[int] | None:
        """The same among all jobs from the mark on, by the primary key: at its end nothing lies that is gone.

        A range of another index ends where the next begins, and a walk to there passes by all that is gone in that one.
        None: there are too many.
        """
        where, params = self._condition(wanted)
        cursor.execute(
            f"SELECT CASE WHEN {where} THEN id END, priority FROM {table(connection, Job)} {self.along('PRIMARY')} "
            f"WHERE id >= %s ORDER BY id LIMIT %s",
            [*params, max(wanted.beyond.values()), _YOUNG],
        )
        jobs = cursor.fetchall()
        if len(jobs) == _YOUNG:
            return None
        return [id for _, id in sorted((-priority, id) for id, priority in jobs if id is not None)]

    def _locked(
        self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, wanted: Wanted, found: Sequence[int]
    ) -> list[ClaimedJob]:
        """The first of these jobs, as long as they are wanted, passing over what others hold."""
        where, params = self._condition(wanted)
        rows: list[Sequence[Any]] = []
        while found and len(rows) < wanted.limit:
            missing = wanted.limit - len(rows)
            some, found = found[:missing], found[missing:]
            cursor.execute(
                f"SELECT {columns_of_claim(self.size)} FROM {table(connection, Job)} {self.along('PRIMARY')} "
                f"WHERE id IN {in_list(some)} AND {where} {self.skip_locked}",
                [*[wanted.longest] * len(TEXTS), *some, *params],
            )
            rows += cursor.fetchall()
        return self.claimed(rows, wanted.token)

    def ready_filter(self, wanted: Wanted) -> tuple[str, list[Any]]:
        """Names are compared byte by byte: its collations take "Mail", "máil" and "mail " for "mail"."""
        conditions, params = ["state = 'ready'"], [*wanted.queues, *wanted.queues, *wanted.without_tasks]
        if wanted.queues:
            named = in_list(wanted.queues)
            conditions.append(f"queue IN {named}")  # for the index
            conditions.append(f"{_bytes_of('queue')} IN {named}")
        if wanted.without_tasks:
            conditions.append(f"{_bytes_of('task')} NOT IN {in_list(wanted.without_tasks)}")
        return " AND ".join(conditions), params

    def along(self, index: str) -> str:
        """Else it may look for a queue along the index of all queues, past the jobs of another that nobody drains.

        And for a batch that is a good part of a small table it would read, and lock, the rows of other workers as well.
        """
        return f"FORCE INDEX ({index})"

    def lanes_in_line(self, connection: BaseDatabaseWrapper, beyond: str, limit: int) -> list[str]:
        """It finds no next lane along the index within a statement. So it reads on job by job, and then leaps.

        It finds fewer where many jobs wait in each.
        """
        found: list[str] = []
        with connection.cursor() as cursor:
            for _ in range(_LEAPS):
                cursor.execute(
                    f"SELECT lane FROM {table(connection, Job)} {self.along('worker_job_waiting')} "
                    f"WHERE state = 'waiting' AND lane > %s ORDER BY lane LIMIT %s",
                    [found[-1] if found else beyond, limit - len(found)],
                )
                rows = cursor.fetchall()
                found += dict.fromkeys(lane for (lane,) in rows)
                if len(found) == limit or not rows:
                    break
        return found

    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        """By a row, since its named locks outlive the transaction. A row that is there is locked as if it were new."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table(connection, CallLock)} (id) VALUES (%s) ON DUPLICATE KEY UPDATE id = id",
                [key % CALL_LOCKS + 1],
            )

    def delete(self, cursor: CursorWrapper, jobs: str, ids: Sequence[int]) -> None:
        """A DELETE heeds no FORCE INDEX; but what is joined to a list is looked up by its key."""
        cursor.execute(
            f"DELETE job FROM JSON_TABLE(%s, '$[*]' COLUMNS (id BIGINT PATH '$')) AS ended "
            f"STRAIGHT_JOIN {jobs} AS job FORCE INDEX (PRIMARY) ON job.id = ended.id",
            [json.dumps(list(ids))],
        )

    def insert(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> list[int]:
        """MariaDB is given many as one text. MySQL numbers them one after the other only if it sees how many come."""
        weight = sum(len(job.arguments) for job in jobs)
        if len(jobs) == 1 or weight > _MOST_AS_JSON or not connection.mysql_is_mariadb:  # type: ignore[attr-defined]
            return super().insert(connection, jobs)
        columns, given = columns_of(jobs)
        values, source, rows = as_json({name: columns[name] for name in (*given, "run_at", "delay")})
        (run_at, ats), (delay, delays) = values["run_at"], values["delay"]
        start = f"COALESCE({run_at}, {self.later.replace('%s', delay)})"
        sql = (
            f"INSERT INTO {table(connection, Job)} ({', '.join(given)}, {NEW}) "
            f"SELECT {', '.join(values[name][0] for name in given)}, {start}, {self.now}, 0, 0, '' "
            f"FROM {source} ORDER BY place"
        )
        params = [value for name in given for value in values[name][1]]
        with connection.cursor() as cursor:
            return self.execute_insert(cursor, sql, [*params, *ats, *delays, rows], len(jobs))

    def row_constructor(self, cursor: CursorWrapper) -> str:
        return "" if cursor.db.mysql_is_mariadb else "ROW"

    def insert_one(self, connection: BaseDatabaseWrapper, job: NewJob) -> tuple[int, datetime]:
        """MySQL returns nothing but the id. Whoever asks for more may find the job in history already."""
        if connection.mysql_is_mariadb:  # type: ignore[attr-defined]
            return super().insert_one(connection, job)
        (id,) = self.insert(connection, [job])
        asked = f"SELECT enqueued_at FROM {{}} WHERE id = {id}"
        with connection.cursor() as cursor:
            cursor.execute(
                f"{asked.format(table(connection, Job))} UNION ALL {asked.format(table(connection, FinishedJob))} "
                f"UNION ALL SELECT {self.now} LIMIT 1",
                [],
            )
            (enqueued_at,) = cursor.fetchone()
        return id, self.instant(enqueued_at)

    def execute_insert(self, cursor: CursorWrapper, sql: str, params: Sequence[Any], count: int) -> list[int]:
        """MariaDB returns the ids. MySQL reports the first; the others follow in the steps that the server counts in.

        https://dev.mysql.com/doc/refman/8.4/en/innodb-auto-increment-handling.html ("simple inserts")
        """
        if cursor.db.mysql_is_mariadb:
            return super().execute_insert(cursor, sql, params, count)
        cursor.execute(sql, params)
        first = int(cursor.lastrowid)
        if count == 1:
            return [first]
        cursor.execute("SELECT @@auto_increment_increment", [])
        (step,) = cursor.fetchone()
        return list(range(first, first + count * step, step))


_MOST_AS_JSON = 2**20
"""Characters of arguments. What is quoted twice may be four times as long, and the server takes 16 MiB."""
_MOST_URGENT = "ORDER BY priority DESC, id LIMIT %s"
_YOUNG = 1000
"""Jobs from the mark on: if there are more, a walk along the index of what is ready is the shorter way."""
_HELD_BY_OTHERS = 1000
"""Jobs that others may be claiming at the same time; behind them there may be more."""
_LEAPS = 8
"""From one lane to the next, in one look."""
_NO_SUCH_TABLE = 1146
_REFUSALS = {
    1044,  # no privilege on the database
    1142,  # … on the table
    1143,  # … on the column
    1227,  # … of that kind
    1370,  # … on the routine
    1449,  # whoever defined a trigger or a view is gone
    1054,  # no such column
    1644,  # a trigger raises
}
"""https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html"""


def _bytes_of(column: str) -> str:
    return f"CAST(CONVERT({column} USING utf8mb4) AS BINARY)"
