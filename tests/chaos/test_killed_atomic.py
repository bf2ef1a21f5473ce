"""SIGKILL to workers at each step between the body of an atomic job and the answer to its commit."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from tests.app.models import Effect
from tests.chaos import scale
from tests.chaos.crew import SECONDS_TO_START, Crew, stop, wait_until_drained
from tests.chaos.tasks import KILLED, count_and_be_killed
from worker.models import FinishedJob

AFTER_COMMIT = "after its commit"


def test_atomic_jobs_of_killed_workers_take_effect_exactly_once(crew: Crew, tmp_path: Path) -> None:
    crew.scheduler = {"HEARTBEAT": 0.5, "RESCUE_AFTER": 2, "BATCH_SIZE": 1}  # each is killed by the job that it runs
    leader = crew.leader("--leader-only")
    steps: dict[int, str] = {}
    for kills in range(0, scale.ATOMIC_KILLS, len(KILLED)):
        for step in KILLED:
            job = count_and_be_killed(step, str(tmp_path / f"{kills} {step}"))
            steps[job.pk] = step
        for worker in [crew.start("process_tasks", "--threads", "1") for _ in KILLED]:
            assert worker.wait(within=2 * SECONDS_TO_START) == -signal.SIGKILL, worker.output
    rest = crew.worker()
    wait_until_drained()
    stop(rest, leader)

    assert len(steps) == scale.ATOMIC_KILLS
    assert Counter(Effect.objects.values_list("key", flat=True)) == Counter(map(str, steps))
    history = FinishedJob.objects.filter(state="succeeded", attempts=1, errors="")
    interruptions = dict(history.values_list("pk", "interruptions"))
    assert interruptions.keys() == steps.keys()
    assert {steps[id] for id, times in interruptions.items() if not times} == {AFTER_COMMIT}
