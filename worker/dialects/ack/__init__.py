"""How the end of a job is recorded: it goes from the queue into history, under its fence.

In SQL that every database here understands.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from worker.dialects.many import ROWS
from worker.dialects.portions import portions
from worker.dialects.words import Words, in_list, table
from worker.models import FinishedJob, Job, JobReport
from worker.values import Finish, Mark, Recorded

FINISH = tuple(name for name in Finish._fields if name != "job")
"""Columns of history that say how a job ended."""

_LIVE = {field.column for field in Job._meta.concrete_fields}
RECORD = tuple(
    str(field.column)
    for field in FinishedJob._meta.concrete_fields
    if field.column in _LIVE and field.column not in FINISH
)
"""Those that a job takes into history unchanged, its id among them."""


class Acks:
    def __init__(self, words: Words) -> None:
        self.words = words

    def finishes_by_one_statement(self, ends: Sequence[Finish]) -> bool:
        """Whether recording these needs no transaction around it."""
        return False

    def finish(
        self, connection: BaseDatabaseWrapper, ends: Sequence[Finish], *, only_retries: bool = False
    ) -> Recorded:
        """Move the jobs that are still held into history. Returns their holds.

        What somebody has asked to stop has not failed, but was cancelled. Call it in a transaction, unless it is one
        statement. `only_retries`: only those that repeat a finished job go there; of the others nothing is left.
        """
        held = self.held(connection, ends)
        kept = {end.job.hold: end for end in ends if end.job.hold in held}
        why = {hold: held[hold] if end.heeds_request else None for hold, end in kept.items()}
        with connection.cursor() as cursor:
            for some in portions([end.stopped(why[hold]) for hold, end in kept.items()], ROWS, longest(ends)):
                self._move(connection, cursor, some, only_retries=only_retries)
        return why

    def held(self, connection: BaseDatabaseWrapper, ends: Sequence[Finish]) -> Recorded:
        """Lock the jobs that are still held. By hold, why it was asked to stop, where that may play a part."""
        ids = [end.job.id for end in ends]
        why = ", cancel_reason" if any(end.heeds_request for end in ends) else ""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, claim{why} FROM {table(connection, Job)} {self.words.along('PRIMARY')} "
                f"WHERE id IN {in_list(ids)} AND claim IS NOT NULL "
                f"{self.words.row_lock}",
                ids,
            )
            rows = cursor.fetchall()
        return {(id, claim): why for id, claim, why in rows} if why else dict.fromkeys(rows)

    def mark(self, connection: BaseDatabaseWrapper) -> Mark:
        """Of a transaction that is to begin, and has begun then."""
        savepoint = connection.savepoint()
        assert savepoint is not None, "There are no transactions in this database."
        return Mark(savepoint)

    def require_mark(self, connection: BaseDatabaseWrapper, mark: Mark) -> None:
        """Raises DatabaseError if the transaction has ended meanwhile, or is broken. Before `finish_marked`."""
        connection.savepoint_commit(mark.name)

    def finish_marked(
        self, connection: BaseDatabaseWrapper, end: Finish, mark: Mark, *, commit: bool, only_retries: bool = False
    ) -> bool:
        """The same for one job in the transaction of that mark, which may be committed by it as well.

        False: it is held no more, and the transaction has to be undone.
        """
        return bool(self.finish(connection, [end], only_retries=only_retries))

    def _move(
        self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, ends: Sequence[Finish], *, only_retries: bool
    ) -> None:
        """The database copies what history keeps of a job; what its end has in common with the others is sent once."""
        jobs, history = table(connection, Job), table(connection, FinishedJob)
        rows = [
            (end.job.id, *(self.words.to_database(connection, value) for value in end[1:]))  # the job is end[0]
            for end in ends
        ]
        columns = dict(zip(("id", *FINISH), zip(*rows, strict=True), strict=True))
        if not any(columns["keep_until"]):  # which nearly all are without
            del columns["keep_until"]
        finish = [name for name in columns if name != "id"]
        common = {name: values[0] for name, values in columns.items() if name != "id" and len(set(values)) == 1}
        own = [name for name in columns if name not in common]
        values = [value for row in zip(*(columns[name] for name in own), strict=True) for value in row]
        row = f"{self.row_constructor(cursor)}({', '.join(['%s'] * len(own))})"
        cursor.execute(
            f"INSERT INTO {history} ({', '.join((*RECORD, *finish))}) "
            f"WITH ended ({', '.join(own)}) AS (VALUES {', '.join([row] * len(ends))}) "
            f"SELECT {', '.join(f'job.{column}' for column in RECORD)}, "
            f"{', '.join('%s' if column in common else f'ended.{column}' for column in finish)} "
            f"FROM ended {self.words.join_in_order} {jobs} AS job ON job.id = ended.id"
            f"{' WHERE job.retry_of IS NOT NULL' if only_retries else ''}",
            [*values, *common.values()],
        )
        self.delete(cursor, jobs, columns["id"])
        if only_retries:
            self._delete_reports(connection, cursor, columns["id"])

    def row_constructor(self, cursor: CursorWrapper) -> str:
        """SQL before each row of VALUES."""
        return ""

    def delete(self, cursor: CursorWrapper, jobs: str, ids: Sequence[int]) -> None:
        cursor.execute(f"DELETE FROM {jobs} WHERE id IN {in_list(ids)}", ids)

    def _delete_reports(self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, ids: Sequence[int]) -> None:
        """Those of jobs that have left nothing in history."""
        theirs = in_list(ids)
        cursor.execute(
            f"DELETE FROM {table(connection, JobReport)} WHERE id IN {theirs} "
            f"AND id NOT IN (SELECT id FROM {table(connection, FinishedJob)} WHERE id IN {theirs})",
            [*ids, *ids],
        )


def longest(ends: Sequence[Finish]) -> int:
    """Characters of the texts that one of these brings along, at the most."""
    errors, results = [len(end.errors) for end in ends], [len(end.result) for end in ends if end.result]
    return max(errors, default=0) + max(results, default=0)
