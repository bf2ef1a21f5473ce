"""SIGKILL to the process that leads, while another stands by."""

from __future__ import annotations

import signal
from datetime import datetime

import pytest

from schedules import api
from schedules.leader.alive import newest_term
from schedules.models import Leadership, Schedule
from tests.chaos import figures, scale
from tests.chaos.audit import assert_ledger_is_the_grid, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, says, stop, wait_until_drained
from tests.chaos.tasks import count
from tests.processes import Process, eventually
from worker.clock import database_now
from worker.models import FinishedJob

MOST_SECONDS_LATE = 2.0


@pytest.mark.timed
def test_the_other_fires_the_next_due_job_within_two_seconds_and_says_so(crew: Crew) -> None:
    """Time after time; nothing is lost or done twice on the way."""
    schedule = api.schedule(count, name="each second", args=["run"], repeat=1, overlap="allow", catch_up="all")
    leader = crew.leader()
    eventually(says(leader, "elected, term"), within=SECONDS_TO_START)
    seconds = []
    for _ in range(scale.ROUNDS):
        successor = crew.leader()
        eventually(says(successor, "stands by: another process leads"), within=SECONDS_TO_START)
        late = _kill(leader, schedule.row)
        seconds.append(late)
        assert late < MOST_SECONDS_LATE
        assert f"elected, term {_term_of(successor).pk} " in successor.output
        leader = successor
    figures.tell("leader killed → next due job", seconds)
    stop(leader)
    _drain(crew)
    audit([])
    assert_ledger_is_the_grid(schedule.row)


def _kill(leader: Process, schedule: Schedule) -> float:
    """How many seconds after its time the job starts that is due next when the leader is killed."""
    leader.send(signal.SIGKILL)
    leader.wait(within=5)
    due = schedule.recurrence.after(database_now("default"))
    assert due is not None
    started_at = eventually(lambda: _start_of_run(due))
    assert started_at is not None
    return (started_at - due).total_seconds()


def _start_of_run(due: datetime) -> datetime | None:
    return FinishedJob.objects.filter(scheduled_for=due).values_list("started_at", flat=True).first()


def _term_of(process: Process) -> Leadership:
    term = newest_term("default")
    assert term is not None
    assert term.leader.endswith(f":{process.pid}")
    return term


def _drain(crew: Crew) -> None:
    """What the killed ones held is rescued when they have been silent for long enough."""
    crew.scheduler = {"HEARTBEAT": 0.5, "RESCUE_AFTER": 2}
    rest = crew.worker()
    wait_until_drained()
    stop(rest)
