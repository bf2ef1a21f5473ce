"""How ready jobs are claimed, in SQL that every database here understands.

Each claim has a token, the fence under which it holds its jobs. Operators take jobs so as well, to end them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import repeat
from typing import Any

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from worker.dialects.words import Words, in_list, table
from worker.models import Job, WorkerProcess
from worker.values import ClaimedJob, Wanted

CLAIMED = tuple(name for name in ClaimedJob._fields if name != "claim")
"""Columns that a claim reads. The token it knows."""

TEXTS = ("arguments", "errors")
"""Those of them that may be long."""


class Claims:
    keeps_places = False
    """Whether a claim walks past jobs that are gone, as long as a transaction may still see them (`process.marks`)."""
    has_one_mark = False
    """Whether a claim begins beyond one id, and not at each priority beyond another."""

    def __init__(self, words: Words) -> None:
        self.words = words

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
                    f"SELECT {columns_of_claim(self.words.size)} {ready} "
                    f"ORDER BY priority DESC, id LIMIT %s {self.words.skip_locked}",
                    [*[wanted.longest] * len(TEXTS), *params, wanted.limit],
                )
                rows += cursor.fetchall()
            claimed = self.claimed(rows, wanted.token)[: wanted.limit]
            if claimed and not self._mark_claimed(connection, cursor, wanted, [job.id for job in claimed]):
                return []
        return claimed

    def _ready(self, connection: BaseDatabaseWrapper, wanted: Wanted) -> tuple[str, list[Any]]:
        where, params = self._condition(wanted)
        along = self.words.along("worker_job_ready_queue" if wanted.queues else "worker_job_ready")
        return f"FROM {table(connection, Job)} {along} WHERE {where}", params

    def _condition(self, wanted: Wanted) -> tuple[str, list[Any]]:
        where, params = self.ready_filter(wanted)
        if wanted.interrupted_below is None:
            return where, params
        return f"{where} AND interruptions < %s", [*params, wanted.interrupted_below]

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
                f"UPDATE {table(connection, Job)} {self.words.along('PRIMARY')} SET state = 'running', claim = %s "
                f"WHERE id IN {in_list(ids)} AND state <> 'running'",
                [token, *ids],
            )

    def take_or_ask(self, connection: BaseDatabaseWrapper, *, token: int, ids: Collection[int], reason: str) -> None:
        """The same, and ask those that run to stop. What was asked before keeps that reason.

        One statement, so that none slips through: a job may end its run, or begin one, between two. MySQL sets the
        columns in this order.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table(connection, Job)} {self.words.along('PRIMARY')} "
                f"SET cancel_reason = COALESCE(cancel_reason, %s), "
                f"claim = CASE WHEN state = 'running' THEN claim ELSE %s END, state = 'running' "
                f"WHERE id IN {in_list(ids)}",
                [reason, token, *ids],
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
            f"UPDATE {table(connection, Job)} {self.words.along('PRIMARY')} "
            f"SET state = 'running', claim = %s, worker_id = %s, claimed_at = {self.words.written} "
            f"WHERE id IN {in_list(ids)} "
            f"AND EXISTS (SELECT 1 FROM {table(connection, WorkerProcess)} WHERE id = %s {self.words.share_lock})",
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
                columns[name] = self.words.instants(columns[name])
        columns["enqueued_at"] = _given_or(columns["enqueued_at"], columns["run_at"])
        jobs = map(ClaimedJob._make, zip(*(columns[name] for name in ClaimedJob._fields), strict=True))
        return sorted(jobs, key=lambda job: (-job.priority, job.id))


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


_TAKEN = ", ".join("'' AS arguments" if name == "arguments" else name for name in CLAIMED)
_INSTANTS = tuple(
    field.column
    for field in Job._meta.concrete_fields
    if isinstance(field, models.DateTimeField) and field.column in CLAIMED
)


def _given_or(instants: Iterable[datetime | None], others: Iterable[datetime]) -> Iterable[datetime]:
    """Mostly none of them is given."""
    return [given or other for given, other in zip(instants, others, strict=True)] if any(instants) else others
