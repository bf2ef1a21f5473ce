"""How the end of a job is recorded on PostgreSQL: a batch is one statement, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import DatabaseError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from worker.dialects.ack import FINISH, Acks, longest
from worker.dialects.ack.finishing import finishing, finishing_or_cancelling
from worker.dialects.ack.single import ENDED, NOT_HELD, SingleRecord, single_record
from worker.dialects.many import ManyRowsByArrays, as_table
from worker.dialects.portions import MOST_CHARACTERS, portions
from worker.dialects.words import Words, table
from worker.models import FinishedJob, Job, JobReport
from worker.values import Finish, Mark, Recorded


class PostgreSQLAcks(Acks):
    def __init__(self, words: Words, many: ManyRowsByArrays) -> None:
        super().__init__(words)
        self.many = many

    def finishes_by_one_statement(self, ends: Sequence[Finish]) -> bool:
        """Unless the texts are long, those that are written now among them."""
        return len(ends) * longest(ends) <= MOST_CHARACTERS

    def finish(
        self, connection: BaseDatabaseWrapper, ends: Sequence[Finish], *, only_retries: bool = False
    ) -> Recorded:
        """More than one statement, and so a transaction of the caller, only where the texts are long."""
        recorded: Recorded = {}
        for some in portions(ends, len(ends), longest(ends)):
            recorded |= self._finish(connection, some, only_retries=only_retries)
        return recorded

    def _finish(self, connection: BaseDatabaseWrapper, ends: Sequence[Finish], *, only_retries: bool) -> Recorded:
        rows = [(end.job.id, end.job.claim, *end[1:]) for end in ends]  # the job is end[0]
        columns = dict(zip(("id", "claim", *FINISH), zip(*rows, strict=True), strict=True))
        for name in ("result", "keep_until"):
            if not any(columns[name]):  # which nearly all are without
                del columns[name]
        finish = tuple(name for name in columns if name not in ("id", "claim"))
        kinds = {
            **self.many.kinds_of(connection, Job, ("id", "claim")),
            **self.many.kinds_of(connection, FinishedJob, finish),
        }
        source, params = as_table(kinds, list(columns.values()), compared={"id", "claim"})
        with connection.cursor() as cursor:
            jobs, history = table(connection, Job), table(connection, FinishedJob)
            reports = table(connection, JobReport) if only_retries else ""
            if not any(end.heeds_request for end in ends):
                cursor.execute(finishing(jobs, history, source, finish, reports), params)
                return dict.fromkeys(cursor.fetchall())
            cursor.execute(finishing_or_cancelling(jobs, history, source, finish, reports), params)
            return {(id, claim): why for id, claim, why in cursor.fetchall()}

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
        self, connection: BaseDatabaseWrapper, end: Finish, mark: Mark, *, commit: bool, only_retries: bool = False
    ) -> bool:
        """One round trip with the commit, if the driver writes the values into the statement.

        What must not be committed is an error of the statement, so that the server goes no further.
        """
        statement = self._single(connection)
        try:
            with connection.cursor() as cursor:
                sql = statement.only_retries if only_retries else statement.plain
                if hasattr(cursor, "mogrify"):
                    if not only_retries:
                        sql = statement.again if mark.is_prepared else statement.first
                    sql += "; COMMIT" * commit
                cursor.execute(sql, [end.job.id, end.job.claim, *end[1:], mark.name])
        except DatabaseError as error:
            if NOT_HELD in str(error):
                return False
            if ENDED in str(error):
                raise TransactionManagementError("The transaction of the job was ended within it.") from error
            raise
        return True

    def _single(self, connection: BaseDatabaseWrapper) -> SingleRecord:
        kinds = self.many.kinds_of(connection, FinishedJob, FINISH)
        tables = (table(connection, model) for model in (Job, FinishedJob, JobReport))
        return single_record(*tables, tuple(kinds.values()))
