"""What is left of jobs whose task says itself how long their records stay (`worker.keeping`).

A job of which nothing is to be left is deleted under its fence, without a row in history. Two kinds have a row all the
same. One that repeats a finished job: it tells what came of that one. And the success of a run of a schedule, until
history is pruned next: the schedule remembers it then, which here would lock its row in the way of the leader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db import connections

from worker.dialects import dialect_of
from worker.keeping import AS_SETTINGS, Keep
from worker.models import FinishedState
from worker.own_options import keep_of
from worker.values import Finish, Recorded


class Shares(NamedTuple):
    """Ends of jobs, by what is left of them."""

    kept: Sequence[Finish]
    gone: Sequence[Finish] = ()
    undecided: Sequence[Finish] = ()
    """Those that have failed, unless somebody has asked them to stop, of which the one stays longer than the other."""

    @property
    def by_one_statement(self) -> bool:
        """Where the database can."""
        return not self.undecided and not (self.kept and self.gone)


def shares_of(ends: Sequence[Finish]) -> Shares:
    keeps = _keeps(ends)
    if not keeps:  # as it mostly is
        return Shares(ends)
    decided, undecided = list[Finish](), list[Finish]()
    for end in ends:
        keep = keeps.get(_task(end), AS_SETTINGS)
        is_open = end.heeds_request and end.state == _FAILED and keep.failed != keep.cancelled
        (undecided if is_open else decided).append(end)
    return _shared(decided, keeps)._replace(undecided=undecided)


def record(using: str, shares: Shares) -> Recorded:
    """Under their fences, as `Acks.finish` does. More than one statement needs the transaction of the caller."""
    connection = connections[using]
    acks = dialect_of(connection).acks
    recorded: Recorded = {}
    if shares.undecided:
        held = acks.held(connection, shares.undecided)
        stopped = {end.job.hold: held[end.job.hold] for end in shares.undecided if end.job.hold in held}
        ends = [end.stopped(stopped[end.job.hold]) for end in shares.undecided if end.job.hold in held]
        recorded = record(using, _shared(ends, _keeps(ends))) | stopped
    if shares.kept:
        recorded |= acks.finish(connection, shares.kept)
    if shares.gone:
        recorded |= acks.finish(connection, shares.gone, only_retries=True)
    return recorded


def _shared(ends: Iterable[Finish], keeps: dict[tuple[str, str | None], Keep]) -> Shares:
    kept, gone = list[Finish](), list[Finish]()
    for end in ends:
        seconds = getattr(keeps.get(_task(end), AS_SETTINGS), end.state)
        if seconds == 0 and not _is_success_of_schedule(end):
            gone.append(end)
        elif seconds is None:
            kept.append(end)
        else:
            kept.append(end._replace(keep_until=end.finished_at + timedelta(seconds=seconds)))
    return Shares(kept, gone)


def _keeps(ends: Iterable[Finish]) -> dict[tuple[str, str | None], Keep]:
    """By task and options, of those that say it."""
    tasks = {(end.job.task, end.job.task_options) for end in ends}
    return {each: keep for each in tasks if (keep := keep_of(*each)) != AS_SETTINGS}


def _task(end: Finish) -> tuple[str, str | None]:
    return end.job.task, end.job.task_options


def _is_success_of_schedule(end: Finish) -> bool:
    return end.state == _SUCCEEDED and end.job.schedule_id is not None


_SUCCEEDED, _FAILED = FinishedState.SUCCEEDED.value, FinishedState.FAILED.value
