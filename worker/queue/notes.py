"""Note an outcome in the row of its job while history does not take it, so that a job that has ended is not run again.

The note is the last line of the job's errors, where people see it. A worker that claims such a job, after a restart or
a rescue, records what the note says, and does not run the job. Then the note is removed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Succeeded
from worker.values import ClaimedJob, Ended

KIND = "NotRecorded"
MESSAGE = "It has ended ({}), and the database refuses to record that ({}). It is not run again."


def errors_with_note(ended: Ended, why: str) -> str | None:
    """The errors of the job, and a note of what came of it. None: it is to run again in any case."""
    if (outcome := _as_json(ended.outcome)) is None:
        return None
    note = {
        "attempt": ended.job.attempts + 1,
        "kind": KIND,
        "message": MESSAGE.format(outcome["state"], why),
        "traceback": "",
        "at": ended.finished_at.isoformat(),
        "started_at": ended.started_at.isoformat(),
        "outcome": outcome,
    }
    return f"{ended.job.errors}{json.dumps(note)}\n"


def noted(job: ClaimedJob) -> Ended | None:
    """What the note of a job says; None: it has none, and is to be run."""
    if KIND not in job.errors:
        return None
    *errors, last = job.errors.splitlines(keepends=True)
    try:
        note = json.loads(last)
        outcome = _from_json(**note["outcome"])
        started_at, finished_at = (datetime.fromisoformat(note[name]) for name in ("started_at", "at"))
    except (ValueError, TypeError, LookupError):  # an error that bears our word
        return None
    return Ended(job._replace(errors="".join(errors)), outcome, started_at, finished_at)


def has_ended(errors: str) -> bool:
    """Whether the errors of a job end in such a note."""
    if KIND not in errors:
        return False
    try:
        return bool(json.loads(errors.splitlines()[-1])["kind"] == KIND)
    except (ValueError, TypeError, LookupError):
        return False


def _as_json(outcome: Outcome) -> dict[str, Any] | None:
    match outcome:
        case Succeeded(_, kept):
            return {"state": "succeeded", "result": kept}
        case Failed(error):
            return {"state": "failed", "error": error.as_line()}
        case Cancelled(reason):
            return {"state": "cancelled", "reason": reason}
        case Missed(reason):
            return {"state": "missed", "reason": reason}
    return None


def _from_json(state: str, reason: str = "", error: str = "", result: str | None = None) -> Outcome:
    match state:
        case "succeeded":
            return Succeeded(kept=result)
        case "failed":
            told = json.loads(error)
            return Failed(Error(**{**told, "at": datetime.fromisoformat(told["at"])}))
        case "cancelled":
            return Cancelled(reason)
        case "missed":
            return Missed(reason)
    raise ValueError(state)
