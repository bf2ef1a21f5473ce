"""A worker that lives is never taken for dead, and one that is dead is found in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, transaction
from pytest_django import Settings

from schedules.testing import ManualClock
from tests.conformance.unreadable import put, spoilt
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    another_session,
    claim,
    enqueue,
    living_worker,
    rows_are_locked,
    state_of,
    strike_off,
)
from tests.schedules.recurrence.moments import at
from worker import rescue as rescues
from worker import roster
from worker.clock import database_now
from worker.models import WorkerProcess
from worker.rescue import Rescue

pytestmark = pytest.mark.usefixtures("database")

HEARTBEAT, RESCUE_AFTER = 4, 20


@pytest.fixture
def clock(settings: Settings) -> ManualClock:
    settings.SCHEDULER = {"HEARTBEAT": HEARTBEAT, "RESCUE_AFTER": RESCUE_AFTER}
    return ManualClock(at("10:00"))


@pytest.fixture
def rescue(clock: ManualClock) -> Rescue:
    return Rescue(clock)


@pytest.fixture
def worker() -> int:
    """It holds a job."""
    enqueue()
    worker = living_worker()
    claim(worker_id=worker)
    return worker


def watch(rescue: Rescue, clock: ManualClock, seconds: float, *living: int) -> int:
    """Look each second for so long, while these give signs of life. Gives how many jobs were rescued."""
    rescued = 0
    for second in range(round(seconds)):
        if second % HEARTBEAT == 0:
            assert all(roster.beat(ALIAS, each) for each in living), "a living worker was taken for dead"
        rescued += rescue.look(ALIAS)
        clock.advance(1)
    return rescued


def is_alive(worker: int) -> bool:
    """On the roster."""
    return WorkerProcess.objects.filter(pk=worker).exists()


def test_who_says_nothing_for_the_whole_time_is_struck_off_and_its_jobs_go_to_others(
    rescue: Rescue, clock: ManualClock, worker: int
) -> None:
    assert watch(rescue, clock, 20) == 0
    assert is_alive(worker)
    assert watch(rescue, clock, 3) == 1
    assert not is_alive(worker)


def test_who_gives_signs_of_life_keeps_its_jobs(rescue: Rescue, clock: ManualClock, worker: int) -> None:
    assert watch(rescue, clock, 100, worker) == 0


def test_what_nobody_on_the_roster_holds_is_rescued_at_once(rescue: Rescue, worker: int) -> None:
    strike_off(worker)

    assert rescue.look(ALIAS) == 1


@pytest.mark.parametrize("away", [-86_400, -60, -1, 1, 60, 3_600, 86_400])
def test_whatever_the_date_of_the_last_sign_of_life_the_dead_are_found_and_the_living_are_not(
    rescue: Rescue, clock: ManualClock, worker: int, away: float
) -> None:
    """As after the database's clock was set, by so many seconds."""
    alive = living_worker()
    WorkerProcess.objects.update(heartbeat_at=database_now(ALIAS) + timedelta(seconds=away))

    assert watch(rescue, clock, 24, alive) == 1
    assert is_alive(alive)


def test_a_watcher_that_was_stopped_gives_everybody_the_whole_time_again(
    rescue: Rescue, clock: ManualClock, worker: int
) -> None:
    """So were they, perhaps."""
    watch(rescue, clock, 19)
    clock.advance(60)

    assert watch(rescue, clock, 20) == 0
    assert watch(rescue, clock, 4) == 1


def test_in_ordinary_times_a_look_writes_nothing(
    rescue: Rescue, clock: ManualClock, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = spied(monkeypatch, roster, "touch")

    watch(rescue, clock, 60, worker)

    assert all(signs == {} for _, signs in written)


def test_a_look_that_was_held_up_when_it_wrote_gives_everybody_the_whole_time_again(
    rescue: Rescue, clock: ManualClock, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a lock on the table or the server, or a server or disk that stood still: so were signs of life."""
    watch(rescue, clock, 18)
    touch = roster.touch

    def held_up(*args: object) -> set[int]:
        clock.advance(RESCUE_AFTER)
        return touch(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(roster, "touch", held_up)
        watch(rescue, clock, 2)

    assert watch(rescue, clock, 18) == 0
    assert watch(rescue, clock, 5) == 1


def test_a_burial_that_had_to_wait_is_undone(
    rescue: Rescue, clock: ManualClock, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came meanwhile to give a sign of life waits for it, and lives."""
    watch(rescue, clock, 20)
    strike_off_really = roster.strike_off

    def held_up(*args: object) -> set[int]:
        clock.advance(RESCUE_AFTER)
        return strike_off_really(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(roster, "strike_off", held_up)
        assert watch(rescue, clock, 2) == 0

    assert roster.beat(ALIAS, worker)
    assert watch(rescue, clock, 18) == 0


def test_who_gives_a_sign_of_life_just_before_its_burial_lives(
    rescue: Rescue, clock: ManualClock, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(rescue, clock, 20)
    strike_off_really = roster.strike_off

    def after_a_beat(*args: object) -> set[int]:
        roster.beat(ALIAS, worker)
        return strike_off_really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(roster, "strike_off", after_a_beat)

    assert watch(rescue, clock, 4) == 0
    assert is_alive(worker)


@rows_are_locked
def test_whose_row_somebody_holds_is_not_dead_and_holds_up_nobody(
    rescue: Rescue, clock: ManualClock, worker: int
) -> None:
    """An operator's open transaction, perhaps: a sign of life would have to wait for it."""
    other = living_worker()
    with row_held(worker):
        watch(rescue, clock, 60)
    assert is_alive(worker)
    assert not is_alive(other)

    assert watch(rescue, clock, 20) == 0
    assert watch(rescue, clock, 6) == 1


def test_a_sign_of_life_that_cannot_be_read_is_one(
    rescue: Rescue, clock: ManualClock, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_unreadable(worker)
    other = living_worker()

    assert watch(rescue, clock, 24, other) == 1
    assert is_alive(other)


def test_a_look_that_is_refused_leaves_everybody_the_whole_time(
    rescue: Rescue, clock: ManualClock, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that may only be read, say. Whoever comes back to it watches anew."""
    watch(rescue, clock, 18)

    def refuse(*_: object) -> set[int]:
        raise OperationalError("it is read-only")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(roster, "touch", refuse)
        with pytest.raises(OperationalError):
            watch(rescue, clock, 4)

    assert watch(rescue, clock, 18) == 0


def test_the_jobs_of_many_are_rescued_a_portion_a_turn(
    rescue: Rescue, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescues, "MOST_JOBS", 2)
    numbers = [enqueue() for _ in range(5)]
    worker = living_worker()
    claim(worker_id=worker)
    strike_off(worker)

    assert [rescue.look(ALIAS) for _ in range(4)] == [2, 2, 1, 0]
    assert {state_of(id) for id in numbers} == {"ready"}


# Who will not stay for long


@pytest.mark.parametrize("away", [-RESCUE_AFTER - 1, RESCUE_AFTER + 1])
def test_who_will_not_stay_long_stays_until_it_knows_whether_who_seems_silent_is_dead(
    rescue: Rescue, clock: ManualClock, worker: int, away: float
) -> None:
    set_heartbeat(worker, away)
    assert rescue.is_undecided(ALIAS)

    assert watch(rescue, clock, 23) == 1

    assert not rescue.is_undecided(ALIAS)


def test_who_will_not_stay_long_and_was_held_up_stays_for_a_whole_watch_from_then_on(
    rescue: Rescue, clock: ManualClock, worker: int
) -> None:
    set_heartbeat(worker, -60)
    watch(rescue, clock, RESCUE_AFTER - 1)
    clock.advance(RESCUE_AFTER)  # and nobody looked

    assert watch(rescue, clock, RESCUE_AFTER - 1) == 0
    assert rescue.is_undecided(ALIAS)
    assert watch(rescue, clock, HEARTBEAT) == 1
    assert not rescue.is_undecided(ALIAS)


def test_a_worker_that_seemed_silent_and_lives_keeps_nobody_waiting(
    rescue: Rescue, clock: ManualClock, worker: int
) -> None:
    set_heartbeat(worker, -60)
    rescue.look(ALIAS)
    roster.beat(ALIAS, worker)

    assert not rescue.is_undecided(ALIAS)


def test_a_worker_that_gave_a_sign_of_life_just_now_keeps_nobody_waiting(rescue: Rescue, worker: int) -> None:
    assert not rescue.is_undecided(ALIAS)


@rows_are_locked
def test_who_will_not_stay_long_leaves_in_the_end_what_it_cannot_decide(
    rescue: Rescue, clock: ManualClock, worker: int
) -> None:
    set_heartbeat(worker, -60)
    with row_held(worker):
        watch(rescue, clock, RESCUE_AFTER + HEARTBEAT - 1)
        assert rescue.is_undecided(ALIAS)
        watch(rescue, clock, 1)
        assert not rescue.is_undecided(ALIAS)


# What this file does to the roster


def set_heartbeat(worker: int, away: float) -> None:
    """So many seconds from now."""
    then = database_now(ALIAS) + timedelta(seconds=away)
    WorkerProcess.objects.filter(pk=worker).update(heartbeat_at=then)


def spied(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[tuple[object, ...]]:
    """With what it is called."""
    calls: list[tuple[object, ...]] = []
    real: Callable[..., object] = getattr(module, name)

    def spy(*args: object) -> object:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(module, name, spy)
    return calls


@contextmanager
def row_held(worker: int) -> Iterator[None]:
    with another_session() as other, transaction.atomic(using=other):
        WorkerProcess.objects.using(other).select_for_update().get(pk=worker)
        yield


def make_unreadable(worker: int) -> None:
    put(WorkerProcess, worker, next(each for each in spoilt(WorkerProcess) if each.column == "heartbeat_at"))
