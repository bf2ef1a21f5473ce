"""Outcomes that are not recorded yet: kept until the database takes them, and none delays the others.

Outcomes are recorded together. If that fails, they are recorded one by one. If history already has the id of a job, the
job goes there under a new id. If one outcome is refused alone, an almost empty one of its kind is tried:

- If the database takes that one, it refuses the other because of its contents, and always would. So a failure that says
  so is recorded.
- If not, the database refuses all of the kind: a privilege, a table or room on its disk is missing. So the outcome is
  kept, noted in the row of its job if possible (`queue.notes`), and tried again after growing pauses.

An error after which the session does not answer, or that came late, is an error of the session: it is raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import Error as DatabaseSaid

from worker import queue, signals
from worker.clock import Monotonic, answers
from worker.options import options
from worker.outcomes import Error, Failed, Missed, Outcome, Retry, Snoozed
from worker.patience import Patience
from worker.process.undone import Undone
from worker.refusals import LONGEST_REASON, MOST_REFUSALS, is_refusal, said
from worker.telling import tell_ended
from worker.values import ClaimedJob, Ended
from worker.wakeup.awaited import tell_ends

LONGEST_REFUSAL = 1.0
"""Seconds within which a database refuses. What takes longer was held up, by a lock or a disk."""
LONGEST_PAUSE = 5.0
"""Seconds between two tries to record what was refused."""
MOST_CHARACTERS = 64 * 2**20
"""Of arguments, errors and results of jobs that are kept, after which no more are claimed."""


class Unrecorded:
    """The outcomes that one worker has to record. Used by its own thread only."""

    def __init__(self, worker: str, clock: Monotonic) -> None:
        self.worker = worker
        self.waiting: list[Ended] = []
        """Not tried yet, or not alone."""
        self.refused: list[Ended] = []
        """Kept until the database takes them."""
        self.trouble = ""
        """Why, as the database said it last."""
        self._undone = Undone(clock)
        self._clock = clock
        self._patience = Patience(LONGEST_PAUSE)
        self._try_at = -math.inf
        self._takes_nothing = False
        """The database, as far as the last turn has shown. So what waits does that until the next try, too."""
        self._together = True
        self._noted: set[tuple[int, int]] = set()

    def add(self, ended: Sequence[Ended]) -> None:
        self._undone.see(ended)
        self.waiting += ended

    @property
    def jobs(self) -> list[ClaimedJob]:
        """Those whose outcomes are not in the database."""
        return [each.job for each in self._unrecorded]

    @property
    def told(self) -> dict[str, Any]:
        """Of what is refused, for the row of the worker. Of an atomic job its success is, and nothing is kept."""
        kept = len(self.jobs) if self.trouble else 0
        return {"unrecorded": kept + self._undone.count, "trouble": self.trouble or said(self._undone.why)}

    @property
    def try_at(self) -> float:
        """When there is something to try, if nothing else happens, by the monotonic clock."""
        if self.waiting and not self._takes_nothing:
            return -math.inf
        return self._try_at if self.refused else math.inf

    @property
    def is_full(self) -> bool:
        """So much is refused that no more jobs should be run here."""
        if not self.refused:
            return False
        kept = self._unrecorded
        return len(kept) >= options().BATCH_SIZE or sum(map(_length, kept)) >= MOST_CHARACTERS

    @property
    def _unrecorded(self) -> list[Ended]:
        return [each for each in (*self.waiting, *self.refused) if not each.recorded]

    def record(self, using: str, *, at_once: bool = False) -> int:
        """Record what waits, and what was refused, if it is time to try that again, or `at_once`.

        Returns how many were recorded. What cannot be recorded now is kept for a later call.
        """
        is_new = bool(self.waiting)
        if self.refused and (at_once or self._clock.monotonic() >= self._try_at):
            self.waiting += self.refused
            self.refused = []
        elif self.refused and self._takes_nothing:
            return 0
        if not (count := len(self.waiting)):
            return 0
        together, self._together = self._together, False  # until this turn is over
        if together and self._refusal(using, lambda: self._record_these(using, self.waiting)) is None:
            recorded = count
        else:
            recorded = self._record_each(using, is_new=is_new)
        self._together = True
        if not self.refused:
            self._forget_trouble()
        return recorded

    def tell_left(self) -> None:
        """The worker ends, and what it still has it leaves to others."""
        if jobs := self.jobs:
            noted = [job for job in jobs if job.hold in self._noted]
            lost = [job for job in jobs if job.hold not in self._noted]
            signals.outcomes_left.send_robust(None, name=self.worker, noted=noted, lost=lost)

    def _record_each(self, using: str, *, is_new: bool) -> int:
        """Returns how many were recorded. `is_new`: some of what waits was never refused alone."""
        recorded, refusals = 0, list[Exception]()
        for ended in list(self.waiting):
            if error := self._refusal_alone(using, ended):
                self._keep(ended, error)
                refusals.append(error)
            else:
                recorded += 1
            if len(refusals) >= MOST_REFUSALS + recorded:
                break
        if recorded or is_new:
            self._takes_nothing = not recorded
        if refusals:
            self._put_off(using, refusals[-1])
        return recorded

    def _refusal_alone(self, using: str, ended: Ended) -> Exception | None:
        """What the database says against it; None: it is recorded by now, as a failure if need be."""
        record = partial(self._record_these, using, [ended])
        if (error := self._refusal(using, record)) is None or self._is_recorded_anew(using, ended):
            return None
        told = _told(ended, error)
        plain = ended._replace(outcome=_plainest(ended.outcome, told))
        if self._refusal(using, lambda: queue.ack_in_vain(using, plain, self.worker)) is not None:
            return error
        if self._refusal(using, record) is None:  # by now it is taken as well
            return None
        return self._refusal(using, lambda: self._record_these(using, [ended._replace(outcome=Failed(told))]))

    def _refusal(self, using: str, do: Callable[[], None]) -> Exception | None:
        """What the database says against doing that. None: it is done. Raises what ends the session."""
        began = self._clock.monotonic()
        try:
            do()
        except Exception as error:
            if not is_refusal(error, using) and not self._seems_refused(using, error, began):
                raise
            return error
        return None

    def _seems_refused(self, using: str, error: Exception, began: float) -> bool:
        """It is no error that is known as a refusal: a disk that is full, a database that may only be read."""
        in_time = self._clock.monotonic() - began <= LONGEST_REFUSAL
        return isinstance(error, DatabaseSaid) and in_time and answers(using)

    def _record_these(self, using: str, ended: Sequence[Ended]) -> None:
        others = [each for each in ended if not each.recorded]
        recorded = queue.ack(using, others, self.worker) if others else []
        self._forget(ended)
        _tell(using, ended, recorded)
        queue.let_in(using, {each.job.lane for each in ended if each.job.lane}, max(each.finished_at for each in ended))

    def _is_recorded_anew(self, using: str, ended: Ended) -> bool:
        """Whether it was only for the id of the job, which stands in history already, and is recorded by now."""
        recorded: list[Ended] = []
        self._refusal(using, lambda: recorded.extend(queue.ack_anew(using, ended, self.worker)))
        if recorded:
            self._forget(recorded)
            _tell(using, recorded, recorded)
        return bool(recorded)

    # What is refused

    def _keep(self, ended: Ended, error: Exception) -> None:
        self._forget([ended])
        self.refused.append(ended)
        self.trouble = said(error)

    def _put_off(self, using: str, error: Exception) -> None:
        delay = self._patience.next()
        self._try_at = self._clock.monotonic() + delay
        self._note(using)
        signals.outcomes_refused.send_robust(None, name=self.worker, count=len(self.jobs), error=error, retry_in=delay)

    def _note(self, using: str) -> None:
        self._noted &= {job.hold for job in self.jobs}
        new = [
            (each.job, errors)
            for each in (*self.waiting, *self.refused)
            if each.job.hold not in self._noted and (errors := queue.errors_with_note(each, self.trouble))
        ]
        if new and self._refusal(using, lambda: queue.note(using, new)) is None:
            self._noted.update(job.hold for job, _ in new)

    def _forget_trouble(self) -> None:
        self.trouble = ""
        self._takes_nothing = False
        self._patience.reset()

    def _forget(self, ended: Sequence[Ended]) -> None:
        holds = {each.job.hold for each in ended}
        self.waiting = [each for each in self.waiting if each.job.hold not in holds]


def _length(ended: Ended) -> int:
    return len(ended.job.arguments) + len(ended.job.errors) + len(ended.kept)


def _plainest(outcome: Outcome, error: Error) -> Outcome:
    """One that says next to nothing, and goes where this one goes."""
    match outcome:
        case Retry():
            return Retry(error, 0)
        case Snoozed():
            return Snoozed(0)
        case Missed():
            return Missed("")
        case _:
            return Failed(error)


def _told(ended: Ended, error: Exception) -> Error:
    """In ASCII, which the narrowest character set takes."""
    why = ascii(str(error))[:LONGEST_REASON]
    message = f"The database refused to record its outcome: {why}"
    return Error(ended.job.attempts + 1, type(error).__qualname__, message, "", ended.finished_at)


def _tell(using: str, ended: Sequence[Ended], recorded: Sequence[Ended]) -> None:
    kept = {each.job.hold: each for each in recorded}
    told = [kept.get(hold, each) for each in ended if (hold := each.job.hold) in kept or each.recorded]
    tell_ends((each.job.id for each in told if not isinstance(each.outcome, (Retry, Snoozed))), using)
    tell_ended(told)
    if len(told) < len(ended):
        for job in (each.job for each in ended if not each.recorded and each.job.hold not in kept):
            signals.job_lost.send_robust(None, job=job)
