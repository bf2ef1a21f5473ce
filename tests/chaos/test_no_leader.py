"""Plain `process_tasks` and no leader anywhere."""

from __future__ import annotations

from schedules import api
from schedules.models import Occurrence
from tests.app.models import Effect
from tests.chaos.audit import audit
from tests.chaos.crew import Crew, says, stop, wait_until_drained
from tests.chaos.tasks import count, fail_at_first
from tests.processes import eventually


def test_delayed_jobs_and_retries_run_schedules_wait_and_it_says_so(crew: Crew) -> None:
    schedule = api.schedule(count, name="waits", args=["waits"], repeat=1)
    first_run_at = schedule.row.next_run_at
    worker = crew.worker()
    count.using(schedule=1).enqueue("delayed")
    fail_at_first("retried")
    eventually(says(worker, "delayed jobs run, schedules wait. Start one: manage.py process_tasks --leader"), within=20)
    wait_until_drained()
    stop(worker)

    result = audit(["delayed", "retried"])
    assert (result.finished, result.retried, Effect.objects.count()) == (2, 1, 3)
    assert not Occurrence.objects.exists()
    assert schedule.row.next_run_at == first_run_at
    assert worker.output.count("no leader for") == 1
