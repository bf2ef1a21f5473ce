"""Which jobs are in a lane, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.many import ManyRows
from worker.dialects.portions import portions
from worker.dialects.words import Words, table
from worker.models import Job


class Lanes:
    def __init__(self, words: Words, many: ManyRows) -> None:
        self.words = words
        self.many = many

    def unfinished(self, connection: BaseDatabaseWrapper, lanes: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Lanes, and state, task, queue and interruptions of their jobs, each once."""
        with connection.cursor() as cursor:
            for theirs, params in self.many.among(connection, Job, "lane", lanes):
                cursor.execute(
                    f"SELECT DISTINCT lane, state, task, queue, interruptions FROM {table(connection, Job)} "
                    f"{self.words.along('worker_job_lane')} WHERE {theirs}",
                    params,
                )
                yield from cursor.fetchall()

    def lanes_in_line(self, connection: BaseDatabaseWrapper, beyond: str, limit: int) -> list[str]:
        """Up to `limit` lanes in which jobs wait, by name, from beyond that one.

        From lane to lane along the index, however many jobs wait in each.
        """
        next_lane = (
            f"SELECT lane FROM {table(connection, Job)} {self.words.along('worker_job_waiting')} "
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
        each, moment = f"SELECT ({self._first_of(connection, '%s')})", self.words.to_database(connection, now)
        return " UNION ALL ".join([each] * len(lanes)), [it for lane in lanes for it in (moment, lane)]

    def _first_of(self, connection: BaseDatabaseWrapper, lane: str) -> str:
        """SQL for the first job of that lane, if it waits and was to run by an instant: the first parameter."""
        return (
            f"SELECT CASE WHEN state = 'waiting' AND run_at <= %s THEN id END FROM {table(connection, Job)} "
            f"{self.words.along('worker_job_lane')} WHERE lane = {lane} ORDER BY id LIMIT 1"
        )


class PostgreSQLLanes(Lanes):
    def _firsts_of(
        self, connection: BaseDatabaseWrapper, lanes: Sequence[str], now: datetime
    ) -> tuple[str, Sequence[Any]]:
        first = self._first_of(connection, "given.lane")
        return f"SELECT ({first}) FROM unnest(%s::varchar[]) AS given(lane)", [now, list(lanes)]


class MySQLLanes(Lanes):
    def lanes_in_line(self, connection: BaseDatabaseWrapper, beyond: str, limit: int) -> list[str]:
        """It finds no next lane along the index within a statement. So it reads on job by job, and then leaps.

        It finds fewer where many jobs wait in each.
        """
        found: list[str] = []
        with connection.cursor() as cursor:
            for _ in range(_LEAPS):
                cursor.execute(
                    f"SELECT lane FROM {table(connection, Job)} {self.words.along('worker_job_waiting')} "
                    f"WHERE state = 'waiting' AND lane > %s ORDER BY lane LIMIT %s",
                    [found[-1] if found else beyond, limit - len(found)],
                )
                rows = cursor.fetchall()
                found += dict.fromkeys(lane for (lane,) in rows)
                if len(found) == limit or not rows:
                    break
        return found


_LANES = 100
"""In one statement, where each is asked about by itself."""
_LEAPS = 8
"""From one lane to the next, in one look."""
