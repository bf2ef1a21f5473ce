"""SIGKILL, SIGSTOP and SIGTERM to a worker: what it held runs elsewhere, and being interrupted is no failure."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.app.models import Effect
from tests.chaos import figures, scale
from tests.chaos.audit import audit
from tests.chaos.crew import SECONDS_TO_START, SECONDS_TO_STOP, Crew, id_of, says, stop, wait_until_drained
from tests.chaos.tasks import count_and_wait, count_slowly, end_the_process
from tests.processes import Process, eventually
from worker.models import FinishedJob, FinishedState, Job, JobState
from worker.options import options
from worker.queue import MOST_INTERRUPTIONS

QUICK_RESCUE = {"HEARTBEAT": 0.5, "RESCUE_AFTER": 2}
MOST_SECONDS_TO_END_IDLE = 0.5
MOST_TRIES = 10


@pytest.fixture
def leader(crew: Crew) -> Process:
    """One that runs no jobs itself."""
    crew.scheduler = QUICK_RESCUE
    leader = crew.leader("--leader-only")
    eventually(says(leader, "elected, term"), within=SECONDS_TO_START)
    return leader


def test_jobs_of_a_killed_worker_run_elsewhere_and_nothing_is_lost(crew: Crew, leader: Process, tmp_path: Path) -> None:
    """Among them are some in the middle of which it was killed, for sure: they end only when that is done."""
    workers = [crew.worker(), crew.worker()]
    killed_within = 0
    for kill in range(scale.KILLS):
        clients = crew.clients(scale.CALLS // scale.KILLS)
        end = tmp_path / f"{kill}"
        crew.calls += (labels := [f"until {kill} {number}" for number in range(options().THREADS)])
        jobs = count_and_wait.enqueue_many([((label, str(end)), {}) for label in labels])
        killed_within += len(_kill_one_within(jobs, workers))
        end.touch()
        workers.append(crew.worker())
        for client in clients:
            assert client.wait(within=60) == 0, client.output
    wait_until_drained()
    stop(*workers, leader)

    result = audit(crew.calls)
    assert result.finished == result.accepted
    assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED).exists()
    interrupted = FinishedJob.objects.filter(task=count_and_wait.task.name, interruptions__gt=0)
    assert interrupted.count() >= killed_within > 0
    assert says(leader, "jobs of dead workers, gave up 0 of them")()


def test_jobs_that_kill_their_worker_each_time_are_given_up_and_those_beside_them_run(
    crew: Crew, leader: Process
) -> None:
    """Though the others were in their slots each time, and died with them."""
    for how in scale.DEADLY:
        end_the_process(how, how)
    beside = [f"beside {number}" for number in range(12)]
    count_slowly.enqueue_many([((label, 0.3), {}) for label in beside])
    supervisor = crew.start("process_tasks", "--processes", "2", "--threads", "2")
    wait_until_drained()
    supervisor.send(signal.SIGTERM)
    supervisor.wait(within=SECONDS_TO_STOP)  # with the code of the process that died last, if that is not replaced yet
    stop(leader)

    result = audit([*scale.DEADLY, *beside])
    assert result.finished == result.accepted
    given_up = FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED)
    assert sorted(job.args[0] for job in given_up) == sorted(scale.DEADLY)
    for deadly in given_up:
        assert (deadly.state, deadly.attempts) == (FinishedState.FAILED, 0)
        assert deadly.interruptions == Effect.objects.filter(key=str(deadly.pk)).count() == MOST_INTERRUPTIONS
        assert "died" in deadly.reason


def test_a_worker_that_was_taken_for_dead_changes_nothing_when_it_wakes(crew: Crew, leader: Process) -> None:
    labels = ["first", "second"]
    count_slowly.enqueue_many([((label, 0.5), {}) for label in labels])
    stopped = crew.worker("--threads", "2")
    eventually(lambda: Effect.objects.count() == 2)
    stopped.send(signal.SIGSTOP)
    other = crew.worker()
    wait_until_drained()
    history = list(FinishedJob.objects.order_by("pk").values())
    stopped.send(signal.SIGCONT)
    eventually(lambda: stopped.output.count("was taken from this worker; what it did here is not recorded") == 2)
    eventually(says(stopped, "it goes on as a new worker"))
    stop(stopped, other, leader)

    assert audit(labels).runs == 4
    assert list(FinishedJob.objects.order_by("pk").values()) == history
    assert all(job["worker"].endswith(f":{other.pid}") and job["interruptions"] == 1 for job in history)


@pytest.mark.timed
@pytest.mark.parametrize("options", [[], ["--leader"]], ids=["plain", "leader"])
def test_an_idle_process_ends_within_half_a_second_of_sigterm(crew: Crew, options: list[str]) -> None:
    """The quickest counts: a machine that is busy with something else delays one or another."""
    seconds = [_seconds_to_end(crew.worker(*options)) for _ in range(scale.ROUNDS)]
    while min(seconds) >= MOST_SECONDS_TO_END_IDLE and len(seconds) < MOST_TRIES:
        seconds.append(_seconds_to_end(crew.worker(*options)))
    figures.tell(f"SIGTERM → end, idle process_tasks {' '.join(options)}", seconds)
    assert min(seconds) < MOST_SECONDS_TO_END_IDLE, seconds


def test_sigterm_lets_running_jobs_finish_and_gives_the_held_ones_back_unharmed(crew: Crew) -> None:
    labels = [f"job {number}" for number in range(20)]
    count_slowly.enqueue_many([((label, 0.5), {}) for label in labels])
    worker = crew.worker("--threads", "2")
    eventually(lambda: Effect.objects.count() >= 2)
    stop(worker)

    result = audit(labels)
    assert result.finished >= 2
    assert result.waiting == 20 - result.finished
    assert result.interrupted == result.stuck == 0
    assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED).exists()
    assert not Job.objects.exclude(state=JobState.READY, attempts=0).exists()


def _seconds_to_end(process: Process) -> float:
    asked_at = time.monotonic()
    stop(process)
    return time.monotonic() - asked_at


def _kill_one_within(jobs: Sequence[int], workers: list[Process]) -> set[int]:
    """Kill one of the workers within some of the jobs. Returns the jobs that it had begun."""
    begun = eventually(lambda: _begun(jobs), within=SECONDS_TO_START)
    (killed, *_) = (worker for worker in workers if id_of(worker) in begun.values())
    held_by = id_of(killed)
    killed.kill()
    workers.remove(killed)
    return {job for job, worker in begun.items() if worker == held_by}


def _begun(jobs: Sequence[int]) -> dict[int, int | None]:
    """Those that have left their trace, and the workers that run them."""
    traces = Effect.objects.filter(key__in=[*map(str, jobs)])
    begun = Job.objects.filter(pk__in=map(int, traces.values_list("key", flat=True)), state=JobState.RUNNING)
    return dict(begun.values_list("pk", "worker_id"))
