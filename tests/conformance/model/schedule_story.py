"""What every story of schedules has: whoever declares or edits one, and what must hold after each step.

Each is done by the product and by its model; what is right is written in `model_schedule.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from hypothesis.stateful import invariant

from schedules import changes
from schedules.models import Kind, Occurrence, Schedule, Source
from schedules.occurrences.spans import begins_at
from tests.conformance.model.drawn_columns import Beginning, Options
from tests.conformance.model.model import ModelJob
from tests.conformance.model.model_columns import Columns, Span, present_name
from tests.conformance.model.model_schedule import HAS_JOB, ModelRun, ModelSchedule
from tests.conformance.model.story import Story
from tests.conformance.model.virtual import ALIAS, VirtualClock, spec
from worker.models import Job


class ScheduleStory(Story):
    beginning: Beginning

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.schedules: dict[str, ModelSchedule] = {}
        self.recurrences: dict[str, Options] = {}
        self.looks = 0
        self.works: dict[str, Options] = {}
        """What each runs, and in which queue, if it was told."""

    # What must hold after each step

    @invariant()
    def every_occurrence_is_explained_once(self) -> None:
        said: Counter[tuple[int, datetime]] = Counter()
        models = {schedule.pk: schedule for schedule in self.schedules.values()}
        for line in Occurrence.objects.filter(kind=Kind.NOMINAL):
            schedule = models[line.schedule_id]
            instants = schedule.decided(line.scheduled_for, line.scheduled_until or line.scheduled_for)
            assert len(instants) == line.count
            assert {schedule.ledger[each] for each in instants} == {line.outcome}
            assert line.job_id == schedule.jobs.get(line.scheduled_for)
            said.update((schedule.pk, each) for each in instants)
        assert said == {(schedule.pk, each): 1 for schedule in models.values() for each in schedule.ledger}

    @invariant()
    def what_has_a_job_covers_all_time_once(self) -> None:
        """Each of them begins where the one before ended. A few are looked at after each step, in turn."""
        self.looks += 1
        for schedule in self.schedules.values():
            run = sorted(at for at, outcome in schedule.ledger.items() if outcome in HAS_JOB)
            for place in {(self.looks + each) % len(run) for each in range(2)} if run else ():
                begins = begins_at(schedule.pk, run[place], ALIAS)
                assert begins is not None
                assert begins == run[place - 1] if place else begins <= run[place]

    @invariant()
    def every_schedule_stands_where_it_should(self) -> None:
        columns = attrgetter("pk", "name", "drawn_from", "settled_until", "runs", "enabled", "next_run_at")
        assert {(*columns(row), row.broken != "") for row in Schedule.objects.all()} == {
            (each.pk, each.name, each.drawn_from, each.cursor, each.runs, each.enabled, each.next_run(), each.broken)
            for each in self.schedules.values()
        }

    # What a step is made of

    def _change(
        self, change: str, name: str, recurrence: Options, policies: Options, revision: str | None = None
    ) -> None:
        match change:
            case "declare":
                self._declare(name, recurrence, policies, revision=revision)
            case "edit":
                self._edit(name, recurrence, policies, revision=revision)

    def _declare(
        self,
        name: str,
        recurrence: Options,
        policies: Options,
        *,
        enabled: bool = True,
        revision: str | None = None,
    ) -> None:
        """By the API."""
        options = self._options(name, recurrence, policies)
        options["task"] = present_name(options["task"])  # a declaration knows no other
        known, columns = self.schedules.get(name), Columns(**options)
        wanted = spec(name if known is None else known.name, enabled=enabled, **options)
        if revision is not None:
            changes.bring_in_line(wanted, ALIAS, self.clock.now(), revision=revision)
        else:
            self.clock.in_line(wanted)
        if known is None:
            pk = Schedule.objects.named(name).get().pk
            self.schedules[name] = known = ModelSchedule(pk, name, columns, self.clock.now(), self.clock.now())
            known.begin(self.clock.now())
        elif revision is not None or not known.is_as(columns, enabled):
            self._follow(known, columns, enabled)
        known.source = Source.API
        self.recurrences[name] = recurrence

    def _follow(self, known: ModelSchedule, columns: Columns, enabled: bool = True, runs_late: bool = True) -> None:
        self._settle([known])
        if known.retired_at is not None:
            known.runs = 0  # whoever is no code makes another schedule of that name
        was_paused, ran, lines = known.paused, known.columns.work, self._shared_lines(known)
        known.follow(columns, self.clock.now(), lines, enabled=enabled, runs_late=runs_late)
        if known.paused != was_paused:
            (self.queue.hold if known.paused else self.queue.let_go)(known.pk)
        self._leave_behind(known, ran)

    def _edit(self, name: str, recurrence: Options, policies: Options, *, revision: str | None = None) -> None:
        """In the form. A repeat counts from where it did."""
        options, row, schedule = self._options(name, recurrence, policies), self._row(name), self.schedules[name]
        columns = {**spec(schedule.name, **options).columns(), "task": options["task"]}
        changes.edit(row, ALIAS, self.clock.now(), **columns, anchor=row.anchor, revision=revision)
        self._settle([schedule])
        ran = schedule.columns.work
        schedule.follow(Columns(**options), self.clock.now(), self._shared_lines(schedule), start=row.anchor)
        self._leave_behind(schedule, ran)
        schedule.source = Source.API
        self.recurrences[name] = recurrence

    def _leave_behind(self, schedule: ModelSchedule, ran: tuple[str, str]) -> None:
        """If it ran something else before."""
        if schedule.columns.work != ran:
            self.queue.leave_behind(schedule.pk, schedule.columns.counts)

    def _options(self, name: str, recurrence: Options, policies: Options) -> dict[str, Any]:
        return {"task": "report", **self.beginning.options(recurrence, policies), **self.works.get(name, {})}

    def _row(self, name: str) -> Schedule:
        return Schedule.objects.named(self.schedules[name].name).get()

    def _shared_lines(self, schedule: ModelSchedule) -> list[Span]:
        """The lines that stand for several instants, from when to when."""
        lines = Occurrence.objects.filter(schedule=schedule.pk)
        return [(line.scheduled_for, line.scheduled_until) for line in lines if line.scheduled_until]

    def _missed(self, job: ModelJob) -> None:
        for schedule in self.schedules.values():
            if job.scheduled_for is not None and schedule.jobs.get(job.scheduled_for) == job.id:
                schedule.ledger[job.scheduled_for] = "missed"

    def _settle(self, schedules: Iterable[ModelSchedule]) -> None:
        for schedule in schedules:
            schedule.end_pause_that_is_over(self.clock.now())
            if not schedule.paused:
                self.queue.let_go(schedule.pk)
            counts = schedule.columns.counts
            if schedule.is_due(self.clock.now()) and schedule.columns.overlap != "allow":
                self.queue.leave_behind(schedule.pk, counts)
            runs = schedule.settle(self.clock.now(), *self.queue.standing(schedule.pk, counts))
            self._enqueued(schedule, runs, None)

    def _enqueued(self, schedule: ModelSchedule, runs: list[ModelRun], at_once: datetime | None) -> None:
        """Each run has its job. Its id only the database knows, and the start that jitter draws for it."""
        instants = [run.scheduled_for for run in runs]
        unknown = Job.objects.filter(schedule_id=schedule.pk, scheduled_for__in=instants)
        jobs = {job.scheduled_for: job for job in unknown.exclude(pk__in=self.queue.live)}
        assert set(jobs) == set(instants)
        for run in runs:
            job = jobs[run.scheduled_for]
            schedule.jobs[run.scheduled_for] = job.pk
            start = job.run_at
            assert start == at_once or schedule.may_start(run.scheduled_for, start)
            self.queue.add(
                ModelJob(
                    job.pk,
                    "waiting" if run.waits else "scheduled" if start > self.clock.now() else "ready",
                    start,
                    schedule.columns.task,
                    schedule.columns.own_queue,
                    schedule=schedule.pk,
                    scheduled_for=run.scheduled_for,
                    start_by=None if run.deadline is None else start + timedelta(seconds=run.deadline),
                    retry_before=run.retry_before,
                )
            )
