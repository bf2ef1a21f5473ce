"""What the machine allows: the least that drains our tables durably. `python -m tests.benchmarks.bare_drain URL BATCH`.

Claim a batch under a token, decode, call, and move it into history under the token. One thread, no slots, no pace.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import psycopg

COLUMNS = (
    "id, task, arguments, queue, priority, verbose_name, creator, enqueued_at, run_at, max_attempts, interruptions, "
    "schedule_id, scheduled_for, retry_of"
)
CLAIM = (
    "WITH ready AS (SELECT id FROM worker_job WHERE state = 'ready' ORDER BY priority * -1, id LIMIT %s "
    "FOR UPDATE SKIP LOCKED) UPDATE worker_job AS job SET state = 'running', claim = %s, worker_id = 1, "
    "claimed_at = statement_timestamp() FROM ready WHERE job.id = ready.id RETURNING job.id, job.arguments"
)
ACK = (
    "WITH ended AS (SELECT * FROM unnest(%b::bigint[], %b::timestamptz[]) AS ended(id, started_at)), "
    "gone AS (DELETE FROM worker_job AS job USING ended WHERE job.id = ended.id AND job.claim = %s RETURNING job.*) "
    f"INSERT INTO worker_finishedjob ({COLUMNS}, state, attempts, errors, reason, worker, started_at, finished_at) "
    f"SELECT {COLUMNS.replace('id,', 'gone.id,', 1)}, 'succeeded', 1, '', '', 'bare', ended.started_at, "
    "statement_timestamp() FROM gone JOIN ended USING (id)"
)


def nothing(number: int) -> None:
    pass


def main(url: str, batch: int) -> None:
    with psycopg.connect(url, autocommit=True, prepare_threshold=1) as connection:
        token = 1
        while rows := connection.execute(CLAIM, [batch, token]).fetchall():
            started = []
            for _, text in rows:
                started.append(datetime.now(UTC))
                args, kwargs = json.loads(text)
                nothing(*args, **kwargs)
            connection.execute(ACK, [[id for id, _ in rows], started, token])
            token += 1


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
