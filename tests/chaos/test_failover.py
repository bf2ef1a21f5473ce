"""How long nobody does it: from a leader or worker that falls silent until another has done its work, 20 times each."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from schedules import api
from schedules.models import Schedule
from tests.chaos import figures, scale
from tests.chaos.audit import assert_ledger_is_the_grid, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, id_of, says, stop, wait_until_drained
from tests.chaos.proxy import Proxy, proxies
from tests.chaos.tasks import count, count_slowly
from tests.processes import Process, eventually
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobState

MOST_SECONDS_FOR_A_SILENT_LEADER = 6.0
MOST_SECONDS_FOR_A_KILLED_WORKER = 30.0

pytestmark = pytest.mark.timed

Silence = Callable[[int], None]
"""Done to one of the two leaders."""

on_a_server = pytest.mark.only_on("postgresql", "mysql")
"""SQLite has no server that could evict anybody."""


@on_a_server
@scale.at_length
def test_a_stopped_leader_is_replaced_within_six_seconds(crew: Crew) -> None:
    _each_second()
    leaders = [crew.leader("--leader-only") for _ in range(2)]
    _assert_replaced_each_time(
        "leader stopped → next job",
        *(crew, leaders),
        silence=lambda number: leaders[number].send(signal.SIGSTOP),
        end=lambda number: leaders[number].send(signal.SIGCONT),
    )


@on_a_server
@scale.at_length
def test_a_leader_that_is_cut_off_is_replaced_within_six_seconds(crew: Crew) -> None:
    _each_second()
    with proxies(2) as ways:
        leaders = [_leader_behind(way, crew) for way in ways]
        _assert_replaced_each_time(
            "leader cut off → next job",
            *(crew, leaders),
            silence=lambda number: ways[number].cut(),
            end=lambda number: ways[number].mend(),
        )


@scale.at_length
def test_jobs_of_killed_workers_begin_elsewhere_within_thirty_seconds(crew: Crew) -> None:
    """Under the default settings."""
    leader = crew.leader("--leader-only")
    labels = [f"job {number}" for number in range(scale.ROUNDS)]
    count_slowly.enqueue_many([((label, 600.0), {}) for label in labels])
    victims = [crew.worker("--threads", "1") for _ in labels]
    eventually(lambda: Job.objects.filter(state=JobState.RUNNING).count() == len(labels), within=SECONDS_TO_START)
    heir = crew.worker("--threads", str(len(labels)))
    killed_at = {_job_of(victim): _kill(victim) for victim in victims}
    inherited = Job.objects.filter(state=JobState.RUNNING, worker_id=id_of(heir))
    eventually(lambda: inherited.count() == len(labels), within=60)
    seconds = [
        (claimed_at - killed_at[id]).total_seconds()
        for id, claimed_at in inherited.values_list("pk", "claimed_at")
        if claimed_at is not None
    ]

    figures.tell("worker killed → its job begins elsewhere", seconds)
    assert max(seconds) <= MOST_SECONDS_FOR_A_KILLED_WORKER
    assert audit(labels).interrupted == len(labels)
    stop(leader)


def _assert_replaced_each_time(
    what: str, crew: Crew, leaders: Sequence[Process], *, silence: Silence, end: Silence
) -> None:
    worker = crew.worker()
    leading = eventually(lambda: _leading(leaders), within=SECONDS_TO_START) - 1
    seconds = []
    for _ in range(scale.ROUNDS):
        eventually(lambda other=leaders[1 - leading]: "stands by" in other.output, within=SECONDS_TO_START)  # type: ignore[misc]
        stood_by = leaders[leading].output.count("stands by")
        silent_at = database_now("default")
        silence(leading)
        started_at = eventually(lambda at=silent_at: _first_start_after(at), within=SECONDS_TO_START)  # type: ignore[misc]
        assert started_at is not None
        seconds.append((started_at - silent_at).total_seconds())
        end(leading)
        eventually(
            lambda process=leaders[leading], before=stood_by: process.output.count("stands by") > before,  # type: ignore[misc]
            within=SECONDS_TO_START,
        )
        leading = 1 - leading
    stop(*leaders)
    wait_until_drained()
    stop(worker)

    figures.tell(what, seconds)
    audit([])
    assert_ledger_is_the_grid(Schedule.objects.get())
    assert max(seconds) <= MOST_SECONDS_FOR_A_SILENT_LEADER


def _each_second() -> None:
    api.schedule(count, name="each second", args=["run"], repeat=1, overlap="allow", catch_up="all")


def _leading(leaders: Sequence[Process]) -> int:
    """Its number from 1, once one leads and the other stands by."""
    elected = [says(each, "elected, term")() for each in leaders]
    return 1 + elected.index(True) if sorted(elected) == [False, True] else 0


def _first_start_after(at: datetime) -> datetime | None:
    """Of the runs that were due since then."""
    due_since = FinishedJob.objects.filter(scheduled_for__gt=at, started_at__isnull=False).order_by("started_at")
    return due_since.values_list("started_at", flat=True).first()


def _leader_behind(proxy: Proxy, crew: Crew) -> Process:
    with crew.behind(proxy):
        return crew.leader("--leader-only")


def _job_of(worker: Process) -> int:
    return Job.objects.get(state=JobState.RUNNING, worker_id=id_of(worker)).pk


def _kill(worker: Process) -> datetime:
    killed_at = database_now("default")
    worker.send(signal.SIGKILL)
    worker.wait(within=5)
    return killed_at
