"""How jobs are claimed on MySQL: a look without a lock, and then the rows by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from worker.dialects.claim import TEXTS, Claims, columns_of_claim
from worker.dialects.words import in_list, table
from worker.models import Job
from worker.values import ClaimedJob, Wanted


class MySQLClaims(Claims):
    keeps_places = True
    has_one_mark = True

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
            f"SELECT CASE WHEN {where} THEN id END, priority "
            f"FROM {table(connection, Job)} {self.words.along('PRIMARY')} WHERE id >= %s ORDER BY id LIMIT %s",
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
                f"SELECT {columns_of_claim(self.words.size)} "
                f"FROM {table(connection, Job)} {self.words.along('PRIMARY')} "
                f"WHERE id IN {in_list(some)} AND {where} {self.words.skip_locked}",
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


_MOST_URGENT = "ORDER BY priority DESC, id LIMIT %s"
_YOUNG = 1000
"""Jobs from the mark on: if there are more, a walk along the index of what is ready is the shorter way."""
_HELD_BY_OTHERS = 1000
"""Jobs that others may be claiming at the same time; behind them there may be more."""


def _bytes_of(column: str) -> str:
    return f"CAST(CONVERT({column} USING utf8mb4) AS BINARY)"
