"""Delays need no leader: where none is seen for ten seconds, a worker does the chores, and says so once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from pytest_django import Settings

from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import ALIAS, claim, claim_one, enqueue, silent_worker, state_of
from tests.processes import eventually
from tests.schedules.recurrence.moments import at
from worker import chores, queue, signals
from worker.chores import Chores, Deputy
from worker.models import FinishedJob, JobState
from worker.outcomes import Succeeded
from worker.values import Ended

pytestmark = pytest.mark.usefixtures("database")

NOW = at("10:00")


@dataclass
class Watch:
    """The monotonic clock of a deputy, and when a leader was last heard by it."""

    seconds: float = 1000.0
    leader_heard_at: float = 0.0
    warnings: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.seconds

    def silence(self, using: str) -> float:
        return self.seconds - self.leader_heard_at


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch()
    monkeypatch.setattr(chores, "time", watch)
    with heard(signals.leader_missing) as told:
        watch.warnings = told  # type: ignore[assignment]
        yield watch


def due(time: str = "10:00") -> int:
    return enqueue(state=JobState.SCHEDULED, run_at=at(time))


def test_with_a_leader_a_worker_leaves_the_chores_to_it(watch: Watch) -> None:
    deputy, id = Deputy(watch.silence, at_once=False), due()

    for _ in range(60):
        watch.seconds += 1
        watch.leader_heard_at = watch.seconds - 9
        assert deputy.do(ALIAS, NOW) is None

    assert state_of(id) == "scheduled"
    assert watch.warnings == []


def test_a_worker_waits_ten_seconds_for_a_leader_and_then_does_the_chores(watch: Watch) -> None:
    deputy, id, later = Deputy(watch.silence, at_once=False), due(), due("10:05")

    watch.seconds += 9.9
    assert deputy.do(ALIAS, NOW) is None
    assert state_of(id) == "scheduled"
    watch.seconds += 2.2
    assert deputy.do(ALIAS, NOW) == at("10:05")

    assert (state_of(id), state_of(later)) == ("ready", "scheduled")


def test_a_missing_leader_is_told_once_and_again_when_one_was_there_between(watch: Watch) -> None:
    deputy = Deputy(watch.silence, at_once=False)

    for _ in range(30):
        watch.seconds += 1
        deputy.do(ALIAS, NOW)
    assert len(watch.warnings) == 1

    watch.leader_heard_at = watch.seconds
    for _ in range(30):
        watch.seconds += 1
        deputy.do(ALIAS, NOW)
    assert len(watch.warnings) == 2


def test_a_deputy_steps_back_when_a_leader_is_there(watch: Watch) -> None:
    deputy = Deputy(watch.silence, at_once=False)
    watch.seconds += 20
    assert deputy.do(ALIAS, NOW) is None
    id = due()

    watch.leader_heard_at = watch.seconds
    watch.seconds += 2
    deputy.do(ALIAS, NOW)

    assert state_of(id) == "scheduled"


def test_at_once_means_at_once_and_without_a_warning(watch: Watch) -> None:
    id = due()

    Deputy(watch.silence, at_once=True).do(ALIAS, NOW)

    assert state_of(id) == "ready"
    assert watch.warnings == []


def test_a_deputy_looks_when_the_next_job_is_due_even_if_it_has_just_looked(watch: Watch) -> None:
    deputy, id = Deputy(watch.silence, at_once=True), due("10:00:01")

    assert deputy.do(ALIAS, NOW) == at("10:00:01")
    assert deputy.do(ALIAS, at("10:00:01")) is None

    assert state_of(id) == "ready"


def test_the_chores_rescue_and_prune_now_and_then(watch: Watch, settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 4, "RESCUE_AFTER": 20, "KEEP_FINISHED": timedelta(days=7)}
    its = Chores(at_once=True)
    its.do(ALIAS, NOW)
    old, orphan = enqueue(), enqueue()
    (first,) = claim(1)
    queue.ack(ALIAS, [Ended(first, Succeeded(), NOW, NOW - timedelta(days=7, seconds=1))])
    claim(worker_id=silent_worker(seconds=60))

    watch.seconds += 1.9
    its.do(ALIAS, NOW)
    assert (state_of(old), state_of(orphan)) == ("succeeded", "running")
    watch.seconds += 0.2
    its.do(ALIAS, NOW)
    assert (state_of(old), state_of(orphan)) == ("succeeded", "ready")
    watch.seconds += 600
    its.do(ALIAS, NOW)
    assert state_of(old) is None


def test_who_has_just_come_takes_nobody_for_dead_before_two_heartbeats(watch: Watch, settings: Settings) -> None:
    """The others may have been kept from the database as well, and come back a little later."""
    settings.SCHEDULER = {"HEARTBEAT": 4, "RESCUE_AFTER": 20}
    orphan, its = enqueue(), Chores()
    claim(worker_id=silent_worker(seconds=60))

    watch.seconds += 7.9
    its.do(ALIAS, NOW)
    assert state_of(orphan) == "running"
    watch.seconds += 0.2
    its.do(ALIAS, NOW)
    assert state_of(orphan) == "ready"


def test_a_deputy_whose_database_was_away_takes_nobody_for_dead_at_once(watch: Watch) -> None:
    deputy, orphan = Deputy(watch.silence, at_once=False), enqueue()
    claim(worker_id=silent_worker(seconds=60))
    watch.seconds += 60

    deputy.begin_session()
    deputy.do(ALIAS, NOW)
    assert state_of(orphan) == "running"
    watch.seconds += 10.1
    deputy.do(ALIAS, NOW)
    assert state_of(orphan) == "ready"


def test_chores_forget_nothing_that_is_to_be_kept(watch: Watch, settings: Settings) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": timedelta(days=7)}
    id = enqueue()
    queue.ack(ALIAS, [Ended(claim_one(), Succeeded(), NOW, NOW - timedelta(days=7))])

    Chores().do(ALIAS, NOW)

    assert state_of(id) == "succeeded"


def test_delayed_jobs_and_retries_run_under_a_worker_alone(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "LEADER_MISSED_AFTER", 0.1)
    monkeypatch.setattr(chores, "LOOK_FOR_LEADER_EVERY", 0.05)
    delayed = leave_trace.using(schedule=0.5).enqueue("later").pk

    with heard(signals.leader_missing) as told:
        crew.start(leader_silence=lambda using: float("inf"), longest_sleep=30)
        eventually(lambda: state_of(delayed) == "succeeded")

    row = FinishedJob.objects.get(pk=delayed)
    assert row.started_at is not None
    assert 0 <= (row.started_at - row.run_at).total_seconds() < 1
    assert len(told) == 1
