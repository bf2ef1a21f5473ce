"""How jobs are claimed on PostgreSQL: one statement, whatever is wanted, by a plan that is kept.

It is written so that any sensible plan is a good one, however many jobs there are when it is made and when it is used.
What is ready comes along an index, and the rows by their keys from a list, to which no join can find another way.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.claim import TEXTS, Claims, columns_of_claim
from worker.dialects.claim.kept_plan import KeptPlans
from worker.dialects.claim.ready import ready_in_order
from worker.dialects.words import Words, table
from worker.models import Job, WorkerProcess
from worker.values import ClaimedJob, Wanted


class PostgreSQLClaims(Claims):
    keeps_places = True

    def __init__(self, words: Words) -> None:
        super().__init__(words)
        self.plans = KeptPlans()

    def claim(self, connection: BaseDatabaseWrapper, wanted: Wanted) -> list[ClaimedJob]:
        """While a worker claims, nobody strikes it off the roster, and one that is not there holds nothing.

        Its row is locked only if something is ready: an idle worker is in nobody's way.
        """
        jobs = table(connection, Job)
        ready, params = ready_in_order(jobs, wanted)
        with connection.cursor() as cursor:
            self.plans.execute(
                cursor,
                f"WITH ready AS ({ready}), "
                f"claimant AS (SELECT id FROM {table(connection, WorkerProcess)} "
                f"WHERE id = %s AND EXISTS (SELECT 1 FROM ready) {self.words.share_lock}) "
                f"UPDATE {jobs} AS job "
                f"SET state = 'running', claim = %s, worker_id = claimant.id, claimed_at = {self.words.written} "
                f"FROM claimant WHERE job.id = ANY(ARRAY(SELECT id FROM ready)) "
                f"RETURNING {columns_of_claim(self.words.size, 'job.')}",
                [*params, wanted.worker_id, wanted.token, *[wanted.longest] * len(TEXTS)],
            )
            return self.claimed(cursor.fetchall(), wanted.token)
