"""The ledger: every occurrence has one line, at most one job, and nothing is said of the future.

The property at the end tries it over random schedules, downtimes, pauses and ticks, on the real tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import changes
from schedules.models import Kind, Leadership, Occurrence, Schedule
from schedules.occurrences import ledger
from schedules.occurrences.materialize import Authority
from schedules.planning.due import Ledgered, NotRun
from schedules.planning.policies import CatchUp, Overlap
from tests.conformance.model.virtual import ALIAS, VirtualClock, again, finish, ledger_of, start_jobs
from tests.schedules.recurrence.moments import at
from worker import erasure, queue
from worker.models import FinishedJob, Job
from worker.outcomes import Missed
from worker.queue import recording
from worker.values import Ended

# One line an occurrence


def test_an_occurrence_has_one_line_whatever_it_says(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:01")
    missed = NotRun(Ledgered.MISSED, at("10:01"), at("10:01"), 1, "")

    for line in (
        ledger.enqueued(schedule.pk, at("10:01"), 1, term=None, now=clock.now()),
        ledger.not_run(schedule.pk, missed, term=None, now=clock.now()),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            ledger.write([line], ALIAS)

    assert ledger_of(schedule) == ["10:01 enqueued"]


def test_a_manual_run_has_a_line_of_its_own_at_the_same_instant(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:01")

    ledger.write([ledger.manual(schedule.pk, 1, reason="", now=at("10:01"))], ALIAS)

    assert ledger_of(schedule, Kind.MANUAL) == ["10:01 manual"]


def test_two_schedules_have_lines_of_their_own_at_the_same_instant(clock: VirtualClock) -> None:
    schedules = [clock.declared(name, repeat=60) for name in ("one", "two")]

    clock.tick("10:01")

    assert [ledger_of(schedule) for schedule in schedules] == [["10:01 enqueued"]] * 2


def test_a_line_names_the_job_the_term_and_when_it_was_written(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    term = Leadership.objects.create(leader="host:1", lock="session", started_at=clock.now(), renewed_at=clock.now())

    clock.to("10:02:30")
    clock.tick(authority=Authority(term.pk))

    assert set(Occurrence.objects.values_list("term", "recorded_at")) == {(term.pk, at("10:02:30"))}
    assert Occurrence.objects.get(outcome="enqueued").job_id == Job.objects.get().pk
    assert Occurrence.objects.get(outcome="coalesced").job_id is None


def test_a_reason_longer_than_its_column_is_cut(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)

    ledger.write([ledger.manual(schedule.pk, 1, reason="x" * 1000, now=clock.now())], ALIAS)

    assert Occurrence.objects.get().reason == "x" * 255


# What the worker finds out


def test_m6_a_job_not_started_before_its_deadline_is_missed_in_the_ledger_too(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, start_deadline=30)
    clock.tick("10:01")
    (claimed,) = start_jobs()
    assert claimed.start_by == at("10:01:30")

    queue.ack(ALIAS, [Ended(claimed, Missed("too late"), clock.now(), clock.now())])

    assert ledger_of(schedule) == ["10:01 missed"]
    assert Occurrence.objects.get().job_id == claimed.id


def test_m6_what_the_ledger_says_is_undone_with_the_workers_transaction(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = clock.declared(repeat=60, start_deadline=30)
    clock.tick("10:01")
    (claimed,) = start_jobs()

    def fail(ended: Sequence[Ended], using: str) -> None:
        raise RuntimeError("the transaction fails")

    hooks = [*queue.in_the_recording_transaction, queue.Hook(Missed, fail)]
    monkeypatch.setattr(recording, "in_the_recording_transaction", hooks)
    with pytest.raises(RuntimeError):
        queue.ack(ALIAS, [Ended(claimed, Missed("too late"), clock.now(), clock.now())])

    assert ledger_of(schedule) == ["10:01 enqueued"]
    assert Job.objects.get().state == "running"


# Pruning


def test_old_lines_are_pruned_and_young_ones_kept(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    for time in ("10:01", "10:02", "10:03"):
        clock.tick(time)

    assert sum(ledger.prune(ALIAS, before=at("10:03"))) == 2

    assert ledger_of(schedule) == ["10:03 skipped_overlap"]


def test_what_is_pruned_never_fires_again(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")
    clock.tick("10:03")
    list(ledger.prune(ALIAS, before=at("10:04")))

    clock.tick()
    clock.tick("10:03:59")

    assert Job.objects.count() == 1
    assert ledger_of(schedule) == []


def test_pruning_goes_on_in_batches_until_nothing_old_is_left(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PORTION", 3)
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    clock.tick("10:10")

    assert sum(ledger.prune(ALIAS, before=clock.now() + timedelta(seconds=1))) == 10
    assert ledger_of(schedule) == []


# Everything is accounted for


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(0, 4000)),
        st.tuples(st.just("jump back"), st.integers(1, 1000)),
        st.tuples(st.just("finish"), st.just(0)),
        st.tuples(st.just("pause"), st.just(0)),
        st.tuples(st.just("pause until"), st.integers(1, 3000)),
        st.tuples(st.just("resume"), st.integers(0, 1)),
        st.tuples(st.just("run now"), st.just(0)),
        st.tuples(st.just("edit"), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=8,
)
OPTIONS = st.fixed_dictionaries(
    {
        "catch_up": st.sampled_from(list(CatchUp)),
        "overlap": st.sampled_from(list(Overlap)),
        "catch_up_window": st.none() | st.integers(0, 3000),
        "max_catch_up": st.integers(1, 5),
        "start_deadline": st.none() | st.integers(1, 600),
        "jitter": st.sampled_from([0, 200]),
    }
)
REPEATS = st.integers(7, 1800)
numbers = count()


@settings(max_examples=30)
@given(REPEATS, OPTIONS, STEPS)
def test_over_anything_that_happens_each_occurrence_is_accounted_for_once(
    clock: VirtualClock, repeat: int, options: dict[str, Any], steps: list[tuple[str, int]]
) -> None:
    name = f"random {next(numbers)}"
    clock.to("10:00")
    schedule = clock.declared(name, repeat=repeat, **options)

    for step, number in steps:
        _take(clock, schedule, step, number, options)
    changes.resume(schedule, ALIAS, clock.now())
    clock.tick()

    settled = again(schedule).settled_until
    assert _accounted(schedule) == list(schedule.recurrence.between(at("10:00"), settled))
    assert again(schedule).next_run_at == schedule.recurrence.after(max(settled, clock.now()))
    _each_enqueued_line_has_its_one_job(schedule)
    _ranges_are_disjoint_and_behind_the_cursor(schedule, settled)


def _take(clock: VirtualClock, schedule: Schedule, step: str, number: int, options: dict[str, Any]) -> None:
    match step:
        case "tick":
            clock.advance(number)
            clock.tick()
        case "jump back":
            clock.advance(-number)
            clock.tick()
            clock.advance(number)
        case "finish":
            finish(start_jobs(), clock.now())
        case "pause":
            changes.pause(schedule, ALIAS, clock.now(), reason="")
        case "pause until":
            changes.pause(schedule, ALIAS, clock.now(), reason="", until=clock.now() + timedelta(seconds=number))
        case "resume":
            changes.resume(schedule, ALIAS, clock.now(), catch_up=bool(number))
        case "run now":
            changes.run_now(schedule, ALIAS, clock.now())
        case "edit":
            clock.declared(schedule.name, repeat=int(schedule.repeat), **{**options, "jitter": 10 * number})


def _accounted(schedule: Schedule) -> list[datetime]:
    """Every instant that a line speaks of, as often as it is spoken of."""
    return sorted(instant for line in _lines(schedule) for instant in _instants(schedule, line))


def _instants(schedule: Schedule, line: Occurrence) -> Iterator[datetime]:
    first, last = line.scheduled_for, line.scheduled_until or line.scheduled_for
    instants = list(schedule.recurrence.between(first - timedelta(microseconds=1), last))
    assert (instants[0], instants[-1], len(instants)) == (first, last, line.count)
    return iter(instants)


def _each_enqueued_line_has_its_one_job(schedule: Schedule) -> None:
    enqueued = {line.scheduled_for: line.job_id for line in _lines(schedule) if line.outcome == "enqueued"}
    manual = Occurrence.objects.filter(schedule=schedule, kind=Kind.MANUAL).values_list("job_id", flat=True)
    jobs = [
        job
        for model in (Job, FinishedJob)
        for job in model._default_manager.filter(schedule_id=schedule.pk).values_list("scheduled_for", "pk")
        if job[1] not in manual
    ]
    assert Counter(jobs) == Counter(enqueued.items())


def _ranges_are_disjoint_and_behind_the_cursor(schedule: Schedule, settled: datetime) -> None:
    spans = [(line.scheduled_for, line.scheduled_until or line.scheduled_for) for line in _lines(schedule)]
    assert all(last < first for (_, last), (first, _) in pairwise(spans))
    assert all(first <= last <= settled for first, last in spans)


def _lines(schedule: Schedule) -> list[Occurrence]:
    return list(Occurrence.objects.filter(schedule=schedule, kind=Kind.NOMINAL).order_by("scheduled_for"))
