"""What can happen to schedules and their jobs, at random: each step is done by the product and by its model.

What is right is written in `model.py`; here, how to ask for it, and what must hold after each step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from schedules import api, materialize
from schedules.due_schedules import due_schedules
from schedules.models import Kind, Occurrence, Schedule
from tests.conformance.model import LATE_AFTER, MOST_CATCH_UP, ModelJob, ModelSchedule
from tests.conformance.queue_machine import SECONDS, QueueMachine
from tests.conformance.virtual import ALIAS, REPORT, VirtualClock
from tests.schedules.moments import at
from worker.models import Job

NAMES = st.sampled_from(["a", "b"])
MINUTES = st.integers(0, 10)


class Machine(QueueMachine):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.schedules: dict[str, ModelSchedule] = {}

    @initialize(overlap=st.sampled_from(["skip", "allow", "queue_one", "queue_all"]))
    def begin(self, overlap: str) -> None:
        self.declare("a", 60, "all", overlap)
        self.declare("b", 90, "latest", overlap)

    # The clock

    @rule(seconds=SECONDS, leaders=st.integers(1, 2))
    def tick(self, seconds: int, leaders: int) -> None:
        now = self.clock.advance(seconds)
        for _ in range(leaders):
            self.clock.tick()
        for schedule in self.schedules.values():
            if schedule.paused_until is not None and schedule.paused_until <= now:
                schedule.settle_paused(schedule.paused_until - timedelta(microseconds=1))
                schedule.end_pause()
        self._settle(self.schedules.values())
        self.queue.promote(now)

    @rule(
        before=SECONDS.filter(bool),
        meanwhile=st.sampled_from(["", "tick", "run now", "pause"]),
        name=NAMES,
        after=SECONDS,
    )
    def a_leader_stands_still(self, before: int, meanwhile: str, name: str, after: int) -> None:
        """It reads what is due, others go on, and it writes."""
        rows = due_schedules(ALIAS, self.clock.advance(before), 100)
        match meanwhile:
            case "tick":
                self.tick(0, 1)
            case "run now":
                self.run_now(name)
            case "pause":
                self.pause(name, None)
        now = self.clock.advance(after)
        revisions = dict(Schedule.objects.values_list("pk", "revision"))
        unchanged = {row.id for row in rows if revisions.get(row.id) == row.revision}

        assert materialize.materialize(ALIAS, now, rows) == len(unchanged)

        self._settle(schedule for schedule in self.schedules.values() if schedule.pk in unchanged)

    @rule(
        name=NAMES,
        period=st.sampled_from([60, 90]),
        catch_up=st.sampled_from(["latest", "earliest", "all", "none"]),
        overlap=st.sampled_from(["skip", "allow", "queue_one", "queue_all"]),
    )
    def declare(self, name: str, period: int, catch_up: str, overlap: str) -> None:
        options: dict[str, Any] = {"late_after": LATE_AFTER, "max_catch_up": MOST_CATCH_UP}
        api.schedule(REPORT, name=name, repeat=period, catch_up=catch_up, overlap=overlap, **options)
        known = self.schedules.get(name)
        if known is None:
            self.schedules[name] = ModelSchedule(api.get(name).row.pk, period, catch_up, overlap, self.clock.now)
        elif (known.period, known.catch_up, known.overlap) != (period, catch_up, overlap):
            self._settle([known])
            if known.period != period:
                known.settle_paused(self.clock.now)
                known.period, known.anchor = period, self.clock.now
            known.catch_up, known.overlap = catch_up, overlap

    @rule(name=NAMES, seconds=st.none() | SECONDS.filter(bool))
    def pause(self, name: str, seconds: int | None) -> None:
        if schedule := self.schedules.get(name):
            until = None if seconds is None else self.clock.now + timedelta(seconds=seconds)
            api.get(name).pause("a look at it", until)
            self._settle([schedule])
            schedule.paused, schedule.paused_until = True, until

    @rule(name=NAMES, catch_up=st.booleans())
    def resume(self, name: str, catch_up: bool) -> None:
        if schedule := self.schedules.get(name):
            api.get(name).resume(catch_up=catch_up)
            if not catch_up:
                schedule.settle_paused(self.clock.now)
            schedule.end_pause()

    @rule(name=NAMES, seconds=SECONDS, catch_up=st.booleans())
    def pause_for_a_while(self, name: str, seconds: int, catch_up: bool) -> None:
        self.pause(name, None)
        self.clock.advance(seconds)
        self.resume(name, catch_up)

    @rule(name=NAMES)
    def run_now(self, name: str) -> None:
        if schedule := self.schedules.get(name):
            job = api.get(name).run_now()
            self.queue.add(ModelJob(job.pk, "ready", self.clock.now, schedule=schedule.pk))

    @rule(
        name=NAMES, start=st.integers(0, 10), length=st.integers(0, 10), overlap=st.sampled_from(["queue_all", "allow"])
    )
    def backfill(self, name: str, start: int, length: int, overlap: str) -> None:
        if schedule := self.schedules.get(name):
            first = min(at("10:00") + timedelta(minutes=start), self.clock.now)
            last = min(first + timedelta(minutes=length), self.clock.now)
            nominal = Occurrence.objects.filter(schedule=schedule.pk, kind=Kind.NOMINAL)
            expected = schedule.backfill(first, last, nominal.filter(scheduled_for=schedule.anchor).exists())

            assert api.get(name).backfill(first, last, overlap=overlap) == len(expected)

            self._enqueued(schedule, [(instant, overlap == "queue_all") for instant in expected], self.clock.now)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if schedule := self.schedules.pop(name, None):
            api.get(name).delete()
            for id in self.queue.unstarted(self.queue.of(schedule.pk)):
                self.queue.end(id, "cancelled")

    # What must hold after each step

    @invariant()
    def every_occurrence_is_explained_once(self) -> None:
        for schedule in self.schedules.values():
            said = Counter(dict.fromkeys(schedule.ledger, 0))
            for line in Occurrence.objects.filter(schedule=schedule.pk, kind=Kind.NOMINAL):
                last = line.scheduled_until or line.scheduled_for
                spoken_of = [each for each in schedule.ledger if line.scheduled_for <= each <= last]
                assert len(spoken_of) == line.count
                assert {schedule.ledger[each] for each in spoken_of} == {line.outcome}
                said.update(spoken_of)
            assert set(said.values()) <= {1}

    # What a step is made of

    def _missed(self, job: ModelJob) -> None:
        for schedule in self.schedules.values():
            if schedule.pk == job.schedule and job.scheduled_for in schedule.ledger:
                schedule.ledger[job.scheduled_for] = "missed"

    def _settle(self, schedules: Iterable[ModelSchedule]) -> None:
        for schedule in schedules:
            busy, waiting = self.queue.standing(schedule.pk)
            self._enqueued(schedule, schedule.settle(self.clock.now, busy, waiting), None)

    def _enqueued(self, schedule: ModelSchedule, runs: list[tuple[datetime, bool]], run_at: datetime | None) -> None:
        """Each run has its job, which has an id that only the database knows."""
        instants = [instant for instant, _ in runs]
        unknown = Job.objects.filter(schedule_id=schedule.pk, scheduled_for__in=instants)
        ids = dict(unknown.exclude(pk__in=self.queue.live).values_list("scheduled_for", "pk"))
        for instant, waits in runs:
            state = "waiting" if waits else "ready"
            self.queue.add(
                ModelJob(ids[instant], state, run_at or instant, schedule=schedule.pk, scheduled_for=instant)
            )
