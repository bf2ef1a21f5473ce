"""How delayed jobs become ready when their time has come."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.words import Words, in_list, table
from worker.models import Job


class Promotion:
    def __init__(self, words: Words) -> None:
        self.words = words

    def promote(
        self, connection: BaseDatabaseWrapper, *, now: datetime, limit: int, without: Collection[int] = ()
    ) -> int:
        """Make ready up to `limit` delayed jobs that were to run by `now`, those that wait longest. Returns how many.

        What another holds, it will promote itself.
        """
        jobs, moment = table(connection, Job), self.words.to_database(connection, now)
        others = f" AND id NOT IN {in_list(without)}" if without else ""
        due = f"FROM {jobs} WHERE state = 'scheduled' AND run_at <= %s{others}"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 {due} LIMIT 1", [moment, *without])
            if cursor.fetchone() is None:  # looking takes no lock
                return 0
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id {due} ORDER BY run_at LIMIT %s {self.words.skip_locked}", [moment, *without, limit]
            )
            ids = [id for (id,) in cursor.fetchall()]
            if ids:
                cursor.execute(
                    f"UPDATE {jobs} {self.words.along('PRIMARY')} SET state = 'ready' WHERE id IN {in_list(ids)}", ids
                )
        return len(ids)

    def next_due(self, connection: BaseDatabaseWrapper) -> str:
        """SQL for the instant of the next promotion: now, while any job waits for its turn."""
        jobs = table(connection, Job)
        return (
            f"CASE WHEN EXISTS (SELECT 1 FROM {jobs} WHERE state = 'waiting') THEN {self.words.now} "
            f"ELSE (SELECT {self.words.readable('MIN(run_at)')} FROM {jobs} WHERE state = 'scheduled') END"
        )


class PostgreSQLPromotion(Promotion):
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
