"""Which atomic jobs are told as undone, and for how long."""

from __future__ import annotations

from schedules.testing import ManualClock
from tests.schedules.recurrence.moments import at
from worker.outcomes import Outcome, Snoozed, Succeeded
from worker.process.undone import MOST, TOLD_FOR, Undone
from worker.values import ClaimedJob, Ended

NOW = at("10:00")


def over(id: int, outcome: Outcome, undone_since: str = "") -> Ended:
    job = ClaimedJob._make([None] * len(ClaimedJob._fields))._replace(id=id)
    return Ended(job, outcome, NOW, NOW, undone_since=undone_since)


def test_a_job_is_told_until_it_has_run_again_here_or_had_the_time_to_do_so_elsewhere() -> None:
    clock = ManualClock(NOW)
    undone = Undone(clock)

    undone.see([over(1, Snoozed(60), "no"), over(2, Snoozed(60), "no room"), over(3, Snoozed(60))])
    assert (undone.count, undone.why) == (2, "no room")
    undone.see([over(1, Succeeded())])
    assert undone.count == 1
    clock.advance(60 + TOLD_FOR - 1)
    assert undone.count == 1
    clock.advance(1)
    assert (undone.count, undone.why) == (0, "")


def test_however_many_are_undone_few_are_kept() -> None:
    undone = Undone(ManualClock(NOW))

    undone.see([over(id, Snoozed(60), "no") for id in range(3 * MOST)])

    assert undone.count == MOST
