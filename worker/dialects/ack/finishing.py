"""PostgreSQL: the text of a statement by which jobs that have ended leave the queue, and go into history."""

from __future__ import annotations

from collections.abc import Sequence

from worker.dialects.ack import RECORD


def finishing(jobs: str, history: str, source: str, finish: Sequence[str], reports: str) -> str:
    """SQL: jobs that are held by the claims that are given go into history, with these columns of their ends."""
    columns = ", ".join((*RECORD, *finish))
    recorded = ", ".join([*(f"job.{column}" for column in RECORD), *(f"given.{column}" for column in finish)])
    gone = (
        f"DELETE FROM {jobs} AS job USING {source} "
        f"WHERE job.id = given.id AND job.claim = given.claim RETURNING job.claim, {recorded}"
    )
    return f"{into_history(history, gone, columns, columns, reports)} SELECT id, claim FROM gone"


def finishing_or_cancelling(jobs: str, history: str, source: str, finish: Sequence[str], reports: str) -> str:
    """SQL for the same, where some have failed: those that somebody has asked to stop are cancelled (`heeds_request`).

    Apart, so that jobs which succeed pay nothing for it.
    """
    columns, asked = ", ".join((*RECORD, *finish)), "CASE WHEN given.heeds THEN job.cancel_reason END"
    given = {name: f"given.{name}" for name in finish}
    given["state"] = f"CASE WHEN {asked} IS NULL THEN given.state ELSE 'cancelled' END AS state"
    given["reason"] = f"COALESCE({asked}, given.reason) AS reason"
    recorded = ", ".join([*(f"job.{column}" for column in RECORD), *given.values()])
    gone = (
        f"DELETE FROM {jobs} AS job USING (SELECT *, {_HEEDS} AS heeds FROM {source}) AS given "
        f"WHERE job.id = given.id AND job.claim = given.claim RETURNING job.claim, {asked} AS why, {recorded}"
    )
    return f"{into_history(history, gone, columns, columns, reports)} SELECT id, claim, why FROM gone"


def into_history(history: str, gone: str, columns: str, values: str, reports: str) -> str:
    """SQL with which such a statement begins. `gone`: SQL that deletes jobs; of these, history has those values.

    `reports`: the table of reports, if of those that repeat no finished job nothing is to be left; else nothing.
    """
    moved = f"WITH gone AS ({gone}), history AS (INSERT INTO {history} ({columns}) SELECT {values} FROM gone"
    if not reports:
        return f"{moved})"
    return (
        f"{moved} WHERE retry_of IS NOT NULL), unread AS (DELETE FROM {reports} AS report USING gone "
        f"WHERE report.id = gone.id AND gone.retry_of IS NULL)"
    )


_HEEDS = "(state = 'failed' OR (state = 'cancelled' AND reason = ''))"
"""`Finish.heeds_request`, of the columns of an end."""
