"""How rows are added that get an id: jobs, and those of any other table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from worker.dialects.many import ROWS, ManyRowsByArrays, Row, as_json, as_table, insertion
from worker.dialects.new_jobs import NEW, columns_of, insert_values, insertion_of_one, shape_of
from worker.dialects.portions import portions
from worker.dialects.words import Words, in_list, table
from worker.models import FinishedJob, Job
from worker.values import NewJob


class Insertions:
    most_inserted = 1000
    """Jobs in one statement."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def insert(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> list[int]:
        """Insert the jobs and return their ids in the same order."""
        sql, params = self._insertion(connection, jobs)
        with connection.cursor() as cursor:
            return self.execute_insert(cursor, sql, params, len(jobs))

    def insert_one(self, connection: BaseDatabaseWrapper, job: NewJob) -> tuple[int, datetime]:
        """Insert a job. Returns its id and when it was enqueued."""
        sql, params = self._insertion_of_one(connection, job)
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} RETURNING id, enqueued_at", params)
            id, enqueued_at = cursor.fetchone()
        return id, self.words.instant(enqueued_at)

    def _insertion_of_one(self, connection: BaseDatabaseWrapper, job: NewJob) -> tuple[str, Sequence[Any]]:
        one = insertion_of_one(table(connection, Job), shape_of(job), self.words.later, self.words.now)
        given = one.given(job)
        return one.sql, [self.words.to_database(connection, value) for value in given] if one.has_instants else given

    def _insertion(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> tuple[str, list[Any]]:
        columns, given = columns_of(jobs)
        starts = [columns["run_at"], columns["delay"]]
        later = self.words.later if any(map(any, starts)) else ""
        sql = insert_values(table(connection, Job), given, later, self.words.now, len(jobs))
        rows = zip(*(columns[name] for name in given), *(starts if later else ()), strict=True)
        return sql, [self.words.to_database(connection, value) for row in rows for value in row]

    def insert_and_notify(
        self, connection: BaseDatabaseWrapper, job: NewJob, channel: str, topic: str
    ) -> tuple[int, datetime]:
        """Insert one job and tell whoever listens on the channel, where the database `notifies`."""
        raise NotImplementedError

    def execute_insert(self, cursor: CursorWrapper, sql: str, params: Sequence[Any], count: int) -> list[int]:
        cursor.execute(f"{sql} RETURNING id", params)
        return sorted(id for (id,) in cursor.fetchall())

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
                values = [self.words.to_database(connection, value) for row in some for value in row]
                sql = f"{insertion(connection, model, columns)} VALUES {', '.join([in_list(columns)] * len(some))}"
                ids += self.execute_insert(cursor, sql, values, len(some))
        return ids


class PostgreSQLInsertions(Insertions):
    most_inserted = 10_000

    def __init__(self, words: Words, many: ManyRowsByArrays) -> None:
        super().__init__(words)
        self.many = many

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
        names, later = ", ".join(given), self.words.later.replace("%s", "delay")
        sql = (
            f"INSERT INTO {table(connection, Job)} "
            f"({names}, {NEW}) SELECT {names}, COALESCE(run_at, {later}), {self.words.now}, 0, 0, '' "
            f"FROM {source} ORDER BY place RETURNING id"
        )
        return sql, params

    def insert_and_notify(
        self, connection: BaseDatabaseWrapper, job: NewJob, channel: str, topic: str
    ) -> tuple[int, datetime]:
        sql, params = self._insertion_of_one(connection, job)
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} RETURNING id, enqueued_at, pg_notify(%s, %s)", [*params, channel, topic])
            id, enqueued_at, _ = cursor.fetchone()
        return id, self.words.instant(enqueued_at)

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


class MySQLInsertions(Insertions):
    def insert(self, connection: BaseDatabaseWrapper, jobs: Sequence[NewJob]) -> list[int]:
        """MariaDB is given many as one text. MySQL numbers them one after the other only if it sees how many come."""
        weight = sum(len(job.arguments) + len(job.task_options or "") for job in jobs)
        if len(jobs) == 1 or weight > _MOST_AS_JSON or not connection.mysql_is_mariadb:  # type: ignore[attr-defined]
            return super().insert(connection, jobs)
        columns, given = columns_of(jobs)
        values, source, rows = as_json({name: columns[name] for name in (*given, "run_at", "delay")})
        (run_at, ats), (delay, delays) = values["run_at"], values["delay"]
        start = f"COALESCE({run_at}, {self.words.later.replace('%s', delay)})"
        sql = (
            f"INSERT INTO {table(connection, Job)} ({', '.join(given)}, {NEW}) "
            f"SELECT {', '.join(values[name][0] for name in given)}, {start}, {self.words.now}, 0, 0, '' "
            f"FROM {source} ORDER BY place"
        )
        params = [value for name in given for value in values[name][1]]
        with connection.cursor() as cursor:
            return self.execute_insert(cursor, sql, [*params, *ats, *delays, rows], len(jobs))

    def insert_one(self, connection: BaseDatabaseWrapper, job: NewJob) -> tuple[int, datetime]:
        """MySQL returns nothing but the id. Whoever asks for more may find the job in history already."""
        if connection.mysql_is_mariadb:  # type: ignore[attr-defined]
            return super().insert_one(connection, job)
        (id,) = self.insert(connection, [job])
        asked = f"SELECT enqueued_at FROM {{}} WHERE id = {id}"
        with connection.cursor() as cursor:
            cursor.execute(
                f"{asked.format(table(connection, Job))} UNION ALL {asked.format(table(connection, FinishedJob))} "
                f"UNION ALL SELECT {self.words.now} LIMIT 1",
                [],
            )
            (enqueued_at,) = cursor.fetchone()
        return id, self.words.instant(enqueued_at)

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
