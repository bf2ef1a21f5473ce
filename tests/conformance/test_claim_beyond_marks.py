"""A claim that begins beyond marks, and the worker that uses them, where the database keeps places of what is gone."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.tasks import nothing
from tests.conformance.jobs import ALIAS, SOMEBODY, enqueue_in, new
from tests.conformance.workers import Crew
from tests.processes import eventually
from worker import marks, queue
from worker.models import FinishedJob, Job, JobState

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on("postgresql")]

PRIORITIES = st.integers(-3, 3)


@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(PRIORITIES, st.sampled_from(["mail", "web"])), max_size=12),
    st.dictionaries(PRIORITIES, st.integers(0, 12), max_size=4),
    st.integers(1, 12),
    st.sampled_from([[], ["mail"], ["mail", "web"]]),
)
def test_a_claim_takes_the_most_urgent_beyond_the_marks(
    jobs: list[tuple[int, str]], marked: dict[int, int], limit: int, queues: list[str]
) -> None:
    Job.objects.all().delete()
    ids = queue.enqueue_many([new(n, priority=priority, queue=name) for n, (priority, name) in enumerate(jobs)], ALIAS)
    beyond = {priority: ids[0] + place if ids else place for priority, place in marked.items()}

    claimed = queue.claim(ALIAS, SOMEBODY, limit, queues, beyond=beyond)

    within = [
        (-priority, id)
        for id, (priority, name) in zip(ids, jobs, strict=True)
        if id >= beyond.get(priority, 0) and (not queues or name in queues)
    ]
    assert [(-job.priority, job.id) for job in claimed] == sorted(within)[:limit]


def test_a_job_that_becomes_ready_behind_the_marks_is_run(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MARGIN", 0)
    crew.start(longest_sleep=0.5)
    late = enqueue_in(JobState.SCHEDULED, 0, task=nothing.task.name)
    nothing.enqueue_many([((n,), {}) for n in range(50)])
    eventually(lambda: FinishedJob.objects.count() == 50, within=30)

    Job.objects.filter(pk=late).update(state=JobState.READY)  # and nobody is told

    eventually(lambda: FinishedJob.objects.filter(pk=late).exists(), within=30)


def test_a_worker_that_is_to_end_when_idle_leaves_nothing_behind_the_marks(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MARGIN", -1_000_000)  # a mark far ahead, that hides what is ready
    nothing.enqueue_many([((n,), {}) for n in range(40)])

    crew.work_until_idle()

    assert FinishedJob.objects.count() == 40
