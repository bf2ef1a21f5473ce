"""Long results cost no memory that is not there: they are recorded early, and slots wait for that."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schedules import background
from tests.app.tasks import nothing
from tests.conformance.worker.process.workers import Crew
from tests.processes import eventually
from worker.models import FinishedJob, Job
from worker.process.unrecorded import Unrecorded
from worker.running import gathered
from worker.values import Ended

pytestmark = pytest.mark.usefixtures("database")

MOST, SIZE, SLOTS = 10_000, 4_000, 2


@background(keep_result=True)
def repeated(number: int) -> str:
    return f"{number:04d}" * (SIZE // 4)


def test_a_worker_that_was_fast_holds_of_long_results_no_more_than_fit_and_keeps_all(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are held as many as tiny ones would be, and end faster than any that are long are recorded."""

    collected: list[int] = []
    add = Unrecorded.add

    def watched(self: Unrecorded, ended: Sequence[Ended]) -> None:
        collected.append(sum(len(each.kept) for each in ended))
        add(self, ended)

    monkeypatch.setattr(gathered, "MOST_CHARACTERS", MOST)
    monkeypatch.setattr(Unrecorded, "add", watched)
    nothing.enqueue_many([((number,), {}) for number in range(500)])
    repeated.enqueue_many([((number,), {}) for number in range(100)])
    crew.start(threads=SLOTS)
    eventually(lambda: not Job.objects.exists(), within=30)

    kept = FinishedJob.objects.filter(task__endswith="repeated", state="succeeded", attempts=1)
    assert sorted(each.result for each in kept) == [f"{number:04d}" * (SIZE // 4) for number in range(100)]
    assert sum(collected) == 100 * (SIZE + len('""'))
    assert MOST // 2 <= max(collected) <= MOST + SLOTS * (SIZE + len('""'))
