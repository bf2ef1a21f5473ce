"""Reports on their way from slots into the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from threading import Lock

from worker.clock import Clock
from worker.current.progress import Told
from worker.patience import Patience
from worker.reports import log_capture, writing
from worker.reports.bodies import Bodies
from worker.reports.log_text import LogText
from worker.reports.values import Hold, Report
from worker.values import ClaimedJob, Ended

PAUSE = 1.0
"""Seconds between two writes of the same runs."""
LONGEST_PAUSE = 60.0
"""Seconds until the next try where the database takes none."""


class Reports:
    """Of the runs of one worker. Slots tell, and the loop writes. `wake()`: let the loop look here.

    spares_bodies: what is written may undo the body of an atomic run, and so it is not while one is open here.
    """

    def __init__(self, clock: Clock, wake: Callable[[], None], *, spares_bodies: bool = False) -> None:
        self._clock = clock
        self._wake = wake
        self._bodies = Bodies() if spares_bodies else None
        self._lock = Lock()
        self._new: dict[Hold, Report] = {}
        """The newest of each run, unless it is written."""
        self._seen: set[Hold] = set()
        """Runs of which something was written, or at least tried."""
        self._over: set[Hold] = set()
        """Runs whose ends are recorded, and whose last report is not written yet."""
        self._look_at = -math.inf
        """When to look again whether an atomic run is open."""
        self._write_at = -math.inf
        """When to write what these have told since."""
        self._not_before = -math.inf
        """When to try again after the database took something not."""
        self._patience = Patience(LONGEST_PAUSE, PAUSE)

    # In any thread

    def tell(self, job: ClaimedJob, told: Told) -> None:
        """How far a run is. It takes a moment, and never fails."""
        self._hear(Report(job, self._clock.now(), progress=told))

    def begin_log(self, job: ClaimedJob) -> None:
        """From now on, what is logged in this context is kept with the job."""
        attempt = f"{job.attempts + 1} of {job.max_attempts}"
        log_capture.begin(log_capture.Capture(attempt, self._clock.now, partial(self.keep_log, job)))

    def keep_log(self, job: ClaimedJob, log: LogText) -> None:
        """The log of a run has grown."""
        self._hear(Report(job, self._clock.now(), log=log))

    def of_body(self) -> AbstractContextManager[None]:
        """Around the transaction of an atomic run."""
        return nullcontext() if self._bodies is None else self._bodies.open()

    def _hear(self, report: Report) -> None:
        hold = report.job.hold
        with self._lock:
            older = self._new.get(hold)
            is_awaited = older is not None or (hold in self._seen and len(self._new) > 0)
            self._new[hold] = _together(older, report)
        if not is_awaited:
            self._wake()

    # In the loop

    @property
    def are_there(self) -> bool:
        """Whether `write` has anything to do."""
        return bool(self._new or self._seen)

    @property
    def due_at(self) -> float:
        """When there is something to write, by the monotonic clock."""
        if not self._new:
            return math.inf
        has_first = not self._seen.issuperset(list(self._new))
        return max(self._look_at, self._not_before, -math.inf if has_first else self._write_at)

    def write(
        self,
        using: str,
        held: Iterable[ClaimedJob],
        ended: Sequence[Ended],
        *,
        at_once: bool = False,
        is_beside: bool = False,
    ) -> None:
        """Write what is due, or all of it `at_once`; of runs that have `ended` the last, before that is recorded.

        held: all jobs of this worker. A report of any other comes too late. is_beside: the worker is about to write
        something else, which atomic runs are not spared. Raises what ends the session.
        """
        if self._new:
            self._write_last(using, [each.job.hold for each in ended if not each.recorded])
            self._over.update(each.job.hold for each in ended if each.recorded and each.job.hold in self._new)
            self._forget(self._new.keys() - {job.hold for job in held} - self._over)
            with self._moment(at_any=at_once or is_beside) as has_come:
                if has_come:
                    self._write_of_over(using, at_once=at_once)
                    self._write_due(using, at_once=at_once)
        if self._seen:
            self._seen.difference_update([each.job.hold for each in ended])

    @contextmanager
    def _moment(self, *, at_any: bool) -> Iterator[bool]:
        """Whether there may be written now, as far as atomic runs are concerned."""
        if self._bodies is None or at_any:
            yield True
            return
        with self._bodies.between() as has_come:
            self._look_at = -math.inf if has_come else self._clock.monotonic() + PAUSE
            yield has_come

    def _write_last(self, using: str, holds: Collection[Hold]) -> None:
        if last := self._taken(holds):
            self._write(using, last, writing.at_end)
            self._forget(holds)

    def _write_of_over(self, using: str, *, at_once: bool) -> None:
        """What the database has no time for is kept, unless it is the last time."""
        if last := self._taken(self._over):
            written = self._write(using, last, writing.at_last if at_once else writing.after_run)
            if not written.put_off or at_once:
                self._forget(self._over)
                self._over.clear()

    def _write_due(self, using: str, *, at_once: bool) -> None:
        moment = self._clock.monotonic()
        if self._not_before > moment and not at_once:
            return
        is_time = at_once or moment >= self._write_at
        own = [hold for hold in list(self._new) if hold not in self._over]
        due = self._taken([hold for hold in own if is_time or hold not in self._seen])
        if due:
            self._write_at = moment + PAUSE if is_time else self._write_at
            self._seen.update(each.job.hold for each in due)
            self._write(using, due, writing.during_run)

    def _write(self, using: str, reports: Sequence[Report], how: writing.How) -> writing.Written:
        """What is neither written nor refused is kept, unless something newer is here."""
        written = writing.Written()
        try:
            written = how(using, reports)
        finally:
            for each in reports:
                if each.job.hold not in written.holds and each.job.hold not in written.refused:
                    self._put_back(each)
        if written.had_trouble:
            self._not_before = self._clock.monotonic() + self._patience.next()
        else:
            self._patience.reset()
        return written

    def _taken(self, holds: Iterable[Hold]) -> list[Report]:
        """Whatever a slot tells from now on is newer."""
        with self._lock:
            return [report for hold in holds if (report := self._new.pop(hold, None))]

    def _put_back(self, report: Report) -> None:
        hold = report.job.hold
        with self._lock:
            newer = self._new.get(hold)
            self._new[hold] = report if newer is None else _together(report, newer)

    def _forget(self, holds: Iterable[Hold]) -> None:
        for hold in holds:
            self._new.pop(hold, None)


def _together(older: Report | None, newer: Report) -> Report:
    """Of progress and log the newest of each."""
    if older is None or (newer.progress and newer.log):
        return newer
    if newer.progress is None:
        return newer._replace(progress=older.progress, at=older.at if older.progress else newer.at)
    return newer._replace(log=older.log)
