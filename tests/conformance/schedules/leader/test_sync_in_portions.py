"""A term begins with the sync of all that is declared, a portion at a time, and ticks meanwhile.

Time is the test's: each statement of the leader takes a millisecond, and nothing else takes any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from schedules.declarations import sync as syncing
from schedules.declarations.sync import GRACE, Declarations
from schedules.leader.alive import last_sign
from schedules.leader.lock import NotLeader
from schedules.leader.term import Term
from schedules.models import Leadership, Occurrence, Schedule, Source
from schedules.spec import Spec
from schedules.testing import ManualClock
from tests.conformance.model.virtual import ALIAS, declared, spec
from tests.conformance.schedules.leader.test_chores_in_portions import IN_TIME, a_term
from worker.clock import database_now
from worker.models import Job

pytestmark = pytest.mark.usefixtures("database")

MANY = 40


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(syncing, "COMPARED_AT_ONCE", 5)
    settings.SCHEDULER = {"HEARTBEAT": 0.2, "RESCUE_AFTER": 20}


def release(**given: Any) -> Declarations:
    """Many schedules that are declared alike."""
    return Declarations([_in_code(f"s{n}", **{"repeat": 3600, **given}) for n in range(MANY)])


def each_second() -> Schedule:
    return declared("each second", repeat=1, overlap="allow")


def just_before(schedule: Schedule) -> ManualClock:
    assert schedule.next_run_at is not None
    return ManualClock(schedule.next_run_at - timedelta(seconds=0.01))


@contextmanager
def begun(clock: ManualClock, wanted: Declarations) -> Iterator[Term]:
    with a_term(clock, wanted) as term:
        term.begin(after=last_sign(term.using))
        yield term


def lead(term: Term, clock: ManualClock, until: Callable[[], bool]) -> None:
    while not until():
        clock.advance(term.turn())


def synced(wanted: Declarations) -> ManualClock:
    clock = ManualClock(database_now(ALIAS))
    with begun(clock, wanted) as term:
        lead(term, clock, until=lambda: term.is_synced)
    return clock


@pytest.mark.parametrize("known", [False, True], ids=["first", "changed"])
def test_a_sync_of_many_holds_up_neither_a_tick_nor_a_sign_of_life(known: bool) -> None:
    if known:
        synced(release())
    schedule = each_second()
    clock = just_before(schedule)

    with begun(clock, release(queue="mail")) as term:
        signs = {last_sign(ALIAS)}
        while not term.is_synced or clock.monotonic() < 1:
            began = clock.monotonic()
            pause = term.turn()
            assert clock.monotonic() - began < IN_TIME
            assert clock.monotonic() - term.renew_at < IN_TIME
            if not term.is_synced:
                signs.add(last_sign(ALIAS))
                assert pause == 0
            clock.advance(pause)

    assert len(signs) > 1, "while it synced"
    lines = Occurrence.objects.filter(schedule=schedule)
    assert lines.count() >= 1
    assert max(line.recorded_at - line.scheduled_for for line in lines) < timedelta(seconds=IN_TIME)
    assert Schedule.objects.filter(source=Source.CODE, queue="mail").count() == MANY


def test_a_tick_comes_between_the_portions_of_a_sync() -> None:
    schedule = each_second()
    clock = just_before(schedule)

    with begun(clock, release()) as term:
        lead(term, clock, until=Occurrence.objects.filter(schedule=schedule).exists)
        assert not term.is_synced
        assert Schedule.objects.filter(source=Source.CODE).count() < MANY


@pytest.mark.own_session
def test_a_term_that_is_lost_during_its_sync_leaves_what_is_whole_and_the_next_does_the_rest() -> None:
    synced(Declarations([*release().specs, _in_code("gone", repeat=3600)]))
    clock = ManualClock(database_now(ALIAS))
    wanted = release(queue="mail")
    changed = Schedule.objects.filter(queue="mail", synced_by=clock.now())

    with begun(clock, wanted) as term:
        lead(term, clock, until=lambda: changed.count() > MANY // 4)
        term.lock.release()
        with pytest.raises(NotLeader):
            lead(term, clock, until=lambda: term.is_synced)

    assert 0 < changed.count() < MANY
    assert changed.count() == Schedule.objects.filter(queue="mail").count()
    assert not Schedule.objects.exclude(undeclared_at=None).exists()
    synced(wanted)
    assert Schedule.objects.filter(queue="mail").count() == MANY
    assert Schedule.objects.exclude(undeclared_at=None).get().name == "gone"
    assert Leadership.objects.count() == 3


def test_nothing_is_retired_before_all_that_is_declared_has_been_compared() -> None:
    """Each was undeclared for long by the release before, and the one of now declares it again."""
    synced(release())
    Schedule.objects.update(undeclared_at=database_now(ALIAS) - 2 * GRACE)
    declared("theirs", source=Source.CODE, repeat=3600)
    Schedule.objects.named("theirs").update(undeclared_at=database_now(ALIAS) - 2 * GRACE)
    clock = ManualClock(database_now(ALIAS))
    retired = Schedule.objects.exclude(retired_at=None)

    with begun(clock, release(queue="mail")) as term:
        while not term.is_synced:
            assert not retired.exists()
            clock.advance(term.turn())
        lead(term, clock, until=retired.exists)

    assert retired.get().name == "theirs"


def test_what_is_due_before_its_row_was_compared_runs_by_the_old_row_once_as_if_the_deploy_came_later() -> None:
    """A repeat of each second becomes one of each hour, and it is the last to be compared."""
    synced(Declarations([*release().specs, _last(repeat=1)]))
    Job.objects.all().delete()
    last = Schedule.objects.named("last").get()
    Occurrence.objects.all().delete()
    clock = just_before(last)

    with begun(clock, Declarations([*release(queue="mail").specs, _last(repeat=3600, queue="mail")])) as term:
        lead(term, clock, until=lambda: term.is_synced and clock.monotonic() > 4)

    changed = Schedule.objects.named("last").get()
    ran = Occurrence.objects.filter(schedule=last).order_by("scheduled_for")
    jobs = Job.objects.filter(schedule_id=last.pk).order_by("scheduled_for")
    assert changed.next_run_at is not None
    assert last.anchor is not None
    assert list(jobs.values_list("scheduled_for", flat=True)) == [line.scheduled_for for line in ran]
    assert [line.outcome for line in ran] == ["enqueued"] * len(ran)
    assert ran[0].scheduled_for == last.next_run_at
    before_the_change = last.recurrence.between(last.settled_until, changed.changed_at)
    assert [line.scheduled_for for line in ran] == list(before_the_change)
    assert set(jobs.values_list("queue", flat=True)) == {"default"}
    assert changed.next_run_at > changed.changed_at + timedelta(minutes=59)


def _in_code(name: str, **given: Any) -> Spec:
    return spec(name, source=Source.CODE, **given)


def _last(**given: Any) -> Spec:
    return _in_code("last", overlap="allow", **given)
