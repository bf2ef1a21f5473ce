"""What can happen to schedules that several people and releases have in their hands, at random, beside all else.

A deploy moves one to another task or queue, or gives it another name; and who edits may have looked before another did.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from schedules import changes
from schedules.admin.stale import changed_since, opened_with
from schedules.changes import RevisionConflict
from schedules.models import Schedule, Source
from tests.conformance.model.clock_machine import MINUTES, NAMES, WAYS, ClockMachine
from tests.conformance.model.drawn_columns import POLICIES, RECURRENCES, WORKS, Options
from tests.conformance.model.model_columns import Columns, present_name
from tests.conformance.model.story import PICK
from tests.conformance.model.virtual import ALIAS, spec, sync

OLDER = timedelta(hours=1)


class EditMachine(ClockMachine):
    @rule(name=NAMES, work=WORKS, policies=POLICIES, way=WAYS, minutes=MINUTES)
    def change_task_or_queue(self, name: str, work: Options, policies: Options, way: str, minutes: int) -> None:
        """Of what is unstarted then, nobody knows whether a worker can ever run it."""
        self.tick(60 * minutes, 1, None)
        self.works[name] = work
        self._change(way, name, self.recurrences[name], policies)
        self.tick(60 * minutes, 1, None)

    @rule(name=NAMES, work=WORKS, policies=POLICIES, way=WAYS, worker=PICK)
    def move_while_it_runs_and_its_worker_dies(
        self, name: str, work: Options, policies: Options, way: str, worker: int
    ) -> None:
        """What ran then could end, so it counted until then."""
        self.tick(60, 1, None)
        self._claim(worker, 9)
        self.change_task_or_queue(name, work, policies, way, 1)
        self.crash_and_rescue(worker)
        self.tick(60, 1, None)

    @rule(
        name=NAMES,
        meanwhile=st.sampled_from(["", "tick", "run now", "pause", "edit", "declare", "rename"]),
        policies=POLICIES,
        way=WAYS,
        recurrence=RECURRENCES,
        other_policies=POLICIES,
    )
    def edit_what_was_seen_before(
        self,
        name: str,
        meanwhile: str,
        policies: Options,
        way: str,
        recurrence: Options,
        other_policies: Options,
    ) -> None:
        """Whoever edits what another has edited since is refused. What has only run, or is paused, is as it was."""
        row, schedule = self._row(name), self.schedules[name]
        revision, opened, seen = changes.revision_of(row), opened_with(row), (schedule.columns, schedule.source)
        match meanwhile:
            case "tick":
                self.tick(60, 1, None)
            case "run now":
                self.run_now(name)
            case "pause":
                self.pause(name, None)
            case "rename":
                self.rename(name, 1, None, policies)
            case "edit" | "declare":
                self._change(meanwhile, name, self.recurrences[name], policies)
        is_stale = seen != (schedule.columns, schedule.source)

        assert (changed_since(self._row(name), opened) is not None) == is_stale
        try:
            self._change(way, name, recurrence, other_policies, revision)
        except RevisionConflict:
            assert is_stale
        else:
            assert not is_stale

    @rule(name=NAMES, number=st.integers(0, 2), recurrence=st.none() | RECURRENCES, policies=POLICIES)
    def rename(self, name: str, number: int, recurrence: Options | None, policies: Options) -> None:
        """It is given back to the code. The next release calls it otherwise; the last one leads once more. It goes on.

        And then it is the API's again.
        """
        schedule, now = self.schedules[name], self.clock.now()
        former, renamed = schedule.name, f"{name}{number}"
        if renamed == former:
            return
        as_it_was = self._declaration(name, self.recurrences[name], policies)
        as_it_is = self._declaration(name, recurrence or self.recurrences[name], policies)

        changes.give_back(self._row(name), spec(former, source=Source.SETTINGS, **as_it_was), ALIAS, now)
        self._follow(schedule, Columns(**as_it_was), runs_late=False)
        sync(ALIAS, self.clock, now, [spec(renamed, source=Source.SETTINGS, renamed_from=former, **as_it_is)])
        schedule.name = renamed
        self._follow(schedule, Columns(**as_it_is), runs_late=False)
        sync(ALIAS, self.clock, now - OLDER, [spec(former, source=Source.SETTINGS, **as_it_was)])
        changes.detach(self._row(name), ALIAS, now)
        Schedule.objects.filter(pk=schedule.pk).update(source=Source.API)  # as whose it goes on in this story
        schedule.source = Source.API
        self.recurrences[name] = recurrence or self.recurrences[name]

    def _declaration(self, name: str, recurrence: Options, policies: Options) -> dict[str, Any]:
        options = self._options(name, recurrence, policies)
        return {**options, "task": present_name(options["task"])}
