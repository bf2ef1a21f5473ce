"""What can happen to schedules and their jobs, at random: each step is done by the product and by its model.

What is right is written in `model_schedule.py`, and what must hold after each step in `schedule_story.py`.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from schedules import changes
from schedules.models import Schedule, Source
from schedules.occurrences import materialize
from schedules.occurrences.due_schedules import due_schedules
from tests.conformance.model.drawn_columns import (
    BEGINNINGS,
    CRONS,
    POLICIES,
    RECURRENCES,
    Beginning,
    Options,
    respelled,
)
from tests.conformance.model.model import ModelJob
from tests.conformance.model.schedule_story import ScheduleStory
from tests.conformance.model.story import SECONDS
from tests.conformance.model.virtual import ALIAS
from tests.conformance.worker.dialects.statements import dying_before
from worker.models import Job

NAMES = st.sampled_from(["a", "b"])
MINUTES = st.sampled_from([1, 5, 20, 90])
HOURS = st.sampled_from([0, 1, 5])
WAYS = st.sampled_from(["declare", "edit"])
RETURNS = ["detach", "declare", "declare as disabled"]


class ClockMachine(ScheduleStory):
    @initialize(beginning=BEGINNINGS, cron=CRONS, policies=POLICIES)
    def begin(self, beginning: Beginning, cron: Options, policies: Options) -> None:
        self.beginning = beginning
        self.clock.set(beginning.at)
        self._declare("a", {"repeat": 60}, {"catch_up": "all", "overlap": "queue_all"})
        self._declare("b", cron, policies)

    # The clock

    @rule(seconds=SECONDS, leaders=st.integers(1, 2), dies_before=st.none() | st.integers(0, 20))
    def tick(self, seconds: int, leaders: int, dies_before: int | None) -> None:
        """By one leader or two; one before them may have died."""
        self.clock.advance(seconds)
        if dies_before is not None:
            with dying_before(dies_before):
                self.clock.tick()
        for _ in range(leaders):
            self.clock.tick()
        self._settle(self.schedules.values())
        self.queue.promote(self.clock.now())

    @rule(hours=st.sampled_from([1, 5, 30]))
    def nobody_leads_for_hours(self, hours: int) -> None:
        self.tick(hours * 3600, 1, None)

    @rule(
        before=SECONDS.filter(bool),
        meanwhile=st.sampled_from(["", "tick", "run now", "pause"]),
        name=NAMES,
        after=SECONDS,
    )
    def a_leader_stands_still(self, before: int, meanwhile: str, name: str, after: int) -> None:
        """It reads what is due, others go on, and it writes."""
        self.clock.advance(before)
        rows = due_schedules(ALIAS, self.clock.now(), 100)
        match meanwhile:
            case "tick":
                self.tick(0, 1, None)
            case "run now":
                self.run_now(name)
            case "pause":
                self.pause(name, None)
        self.clock.advance(after)
        revisions = dict(Schedule.objects.values_list("pk", "revision"))
        unchanged = {row.id for row in rows if revisions.get(row.id) == row.revision}

        assert materialize.materialize(ALIAS, self.clock.now(), rows) == len(unchanged)

        self._settle(schedule for schedule in self.schedules.values() if schedule.pk in unchanged)

    # What is declared, in code and in the admin

    @rule(name=NAMES, policies=POLICIES, change=WAYS)
    def change_policies(self, name: str, policies: Options, change: str) -> None:
        self._change(change, name, self.recurrences[name], policies)

    @rule(name=NAMES, recurrence=RECURRENCES, policies=POLICIES, change=WAYS)
    def change_recurrence(self, name: str, recurrence: Options, policies: Options, change: str) -> None:
        self._change(change, name, recurrence, policies)

    @rule(name=NAMES, policies=POLICIES, change=WAYS)
    def spell_otherwise(self, name: str, policies: Options, change: str) -> None:
        self._change(change, name, respelled(self.recurrences[name]), policies)

    @rule(name=NAMES, policies=POLICIES)
    def delete(self, name: str, policies: Options) -> None:
        """And declare one of that name again."""
        changes.delete(self._row(name), ALIAS)
        schedule = self.schedules.pop(name)
        for id in self.queue.unstarted(self.queue.of(schedule.pk)):
            self.queue.end(id, "cancelled")
        self._declare(name, self.recurrences[name], policies)

    @rule(name=NAMES, enabled=st.booleans(), policies=POLICIES)
    def declare_as_enabled_or_not(self, name: str, enabled: bool, policies: Options) -> None:
        self._declare(name, self.recurrences[name], policies, enabled=enabled)

    @rule(name=NAMES, hours=HOURS, recurrence=st.none() | RECURRENCES, policies=POLICIES, way=st.sampled_from(RETURNS))
    def retire_and_return(self, name: str, hours: int, recurrence: Options | None, policies: Options, way: str) -> None:
        """As if it had been declared until now; and after hours it is detached, or declared again."""
        schedule, row = self.schedules[name], self._row(name)
        Schedule.objects.filter(pk=row.pk).update(source=Source.CODE)
        changes.mark_undeclared([row.pk], ALIAS, self.clock.now())
        changes.retire(row, ALIAS, self.clock.now())
        self._settle([schedule])
        schedule.retired_at = self.clock.now()
        self.nobody_leads_for_hours(hours)
        if way == "detach":
            changes.detach(row, ALIAS, self.clock.now())
            Schedule.objects.filter(pk=row.pk).update(source=Source.API)  # as whose it goes on in this story
            schedule.explain_past(self.clock.now())
            schedule.retired_at, schedule.source = None, Source.API
        else:
            self._declare(name, recurrence or self.recurrences[name], policies, enabled=way == "declare")

    @rule(name=NAMES, hours=HOURS, way=st.sampled_from(["repair", "declare", "edit"]), policies=POLICIES)
    def break_and_mend(self, name: str, hours: int, way: str, policies: Options) -> None:
        """Somebody writes into the row what no declaration would, and takes it back after hours."""
        schedule = self.schedules[name]
        if schedule.paused:  # what a pause held back is another story
            return
        overlap = self._row(name).overlap
        Schedule.objects.filter(pk=schedule.pk).update(overlap="nonsense")
        self.clock.advance(3600 * hours + 1)
        upcoming = schedule.next_run()
        schedule.broken = upcoming is not None and upcoming <= self.clock.now()
        self.tick(0, 1, None)
        Schedule.objects.filter(pk=schedule.pk).update(overlap=overlap)
        if way == "repair":
            changes.repair(self._row(name), ALIAS, self.clock.now())
            schedule.repair(self.clock.now())
        else:
            self._change(way, name, self.recurrences[name], policies)

    # What an operator does

    @rule(name=NAMES, seconds=st.none() | SECONDS.filter(bool))
    def pause(self, name: str, seconds: int | None) -> None:
        schedule = self.schedules[name]
        until = None if seconds is None else self.clock.now() + timedelta(seconds=seconds)
        changes.pause(self._row(name), ALIAS, self.clock.now(), reason="a look at it", until=until)
        self._settle([schedule])
        schedule.paused, schedule.paused_until, schedule.paused_as_declared = True, until, False
        self.queue.hold(schedule.pk)

    @rule(name=NAMES, catch_up=st.booleans())
    def resume(self, name: str, catch_up: bool) -> None:
        schedule = self.schedules[name]
        changes.resume(self._row(name), ALIAS, self.clock.now(), catch_up=catch_up)
        schedule.end_pause_that_is_over(self.clock.now())
        if not catch_up:
            schedule.explain_paused(self.clock.now())
        schedule.end_pause()
        self.queue.let_go(schedule.pk)

    @rule(name=NAMES, seconds=SECONDS, catch_up=st.booleans())
    def pause_for_a_while(self, name: str, seconds: int, catch_up: bool) -> None:
        self.pause(name, None)
        self.clock.advance(seconds)
        self.resume(name, catch_up)

    @rule(name=NAMES)
    def run_now(self, name: str) -> None:
        schedule, job_id = self.schedules[name], changes.run_now(self._row(name), ALIAS, self.clock.now())
        job = Job.objects.get(pk=job_id)
        deadline = schedule.columns.start_deadline
        self.queue.add(
            ModelJob(
                job.pk,
                "ready",
                job.run_at,
                schedule.columns.task,
                schedule.columns.own_queue,
                schedule=schedule.pk,
                scheduled_for=job.scheduled_for,
                start_by=None if deadline is None else job.run_at + timedelta(seconds=deadline),
                retry_before=schedule.retry_before(job.run_at),
            )
        )

    @rule(
        name=NAMES,
        outage=MINUTES,
        late=SECONDS,
        ago=MINUTES,
        minutes=MINUTES,
        overlap=st.sampled_from(["queue_all", "allow"]),
    )
    def backfill(self, name: str, outage: int, late: int, ago: int, minutes: int, overlap: str) -> None:
        """After nobody had led for a while, and the next tick is late."""
        self.tick(60 * outage, 1, None)
        self.clock.advance(late)
        schedule = self.schedules[name]
        first = self.clock.now() - timedelta(minutes=ago)
        last = min(first + timedelta(minutes=minutes), self.clock.now())
        expected = schedule.backfill(first, last, self.clock.now(), self._shared_lines(schedule))

        row, now = self._row(name), self.clock.now()
        assert changes.backfill(row, ALIAS, now, first, last, overlap=overlap) == len(expected)

        waits = overlap == "queue_all"
        self._enqueued(schedule, [run._replace(waits=waits) for run in expected], self.clock.now())
