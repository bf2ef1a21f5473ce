"""Outcomes on their way into the database: kept until they are recorded, and none holds up the others.

Outcomes are recorded together. Where that fails, they are recorded one by one. One whose job has an id that stands in
history already goes there under a new id. One that is refused alone, for what it says, would be refused for ever: a
failure that says so is recorded in its place.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker import queue, signals
from worker.outcomes import Error, Failed
from worker.queue import REFUSALS
from worker.values import Ended

LONGEST_REASON = 1000
"""Characters of what the database said."""


class Unrecorded:
    """The outcomes that one worker has to record. Used by its own thread only."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.waiting: list[Ended] = []
        self._together = True

    def add(self, ended: Sequence[Ended]) -> None:
        self.waiting += ended

    def record(self, using: str) -> int:
        """Record all that waits. Returns how many that were. What cannot be recorded now waits for the next call."""
        if not (count := len(self.waiting)):
            return 0
        together, self._together = self._together, False  # until all of it went through
        if not together or not self._recorded_together(using):
            self._record_each(using)
        self._together = True
        return count

    def _recorded_together(self, using: str) -> bool:
        try:
            self._record_these(using, self.waiting)
        except REFUSALS:
            return False
        return True

    def _record_each(self, using: str) -> None:
        for ended in list(self.waiting):
            try:
                self._record_these(using, [ended])
            except REFUSALS as error:
                if not self._record_anew(using, ended):
                    self._record_refused(using, ended, error)

    def _record_these(self, using: str, ended: Sequence[Ended]) -> None:
        others = [each for each in ended if not each.recorded]
        recorded = queue.ack(using, others, self.worker) if others else []
        self._forget(ended)
        _tell(ended, recorded)

    def _record_anew(self, using: str, ended: Ended) -> bool:
        """Whether it was only for the id of the job, which stands in history already, and is recorded by now."""
        try:
            recorded = queue.ack_anew(using, ended, self.worker)
        except REFUSALS:
            return False
        if recorded:
            self._forget(recorded)
            _tell(recorded, recorded)
        return bool(recorded)

    def _record_refused(self, using: str, ended: Ended, error: Exception) -> None:
        failure = ended._replace(outcome=Failed(_refusal(ended, error)))
        try:
            recorded = queue.ack(using, [failure], self.worker)
        except REFUSALS:  # it is not for what the outcome says: the job stays as it is, where it can be seen
            self._forget([ended])
            signals.outcome_refused.send_robust(None, job=ended.job, error=error)
            return
        self._forget([ended])
        _tell([failure], recorded)

    def _forget(self, ended: Sequence[Ended]) -> None:
        holds = {each.job.hold for each in ended}
        self.waiting = [each for each in self.waiting if each.job.hold not in holds]


def _refusal(ended: Ended, error: Exception) -> Error:
    """In ASCII, which the narrowest character set takes."""
    why = ascii(str(error))[:LONGEST_REASON]
    message = f"What came of it could not be recorded, since the database refused it: {why}"
    return Error(ended.job.attempts + 1, type(error).__qualname__, message, "", ended.finished_at)


def _tell(ended: Sequence[Ended], recorded: Sequence[Ended]) -> None:
    kept = {each.job.hold for each in recorded}
    for each in ended:
        if each.recorded or each.job.hold in kept:
            signals.tell_ended(each.job, each.outcome, each.started_at, each.finished_at)
        else:
            signals.job_lost.send_robust(None, job=each.job)
