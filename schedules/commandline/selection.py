"""Which part of an overview is asked for. Pure: it reads nothing, and draws nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from schedules.api import NoSuchSchedule
from schedules.overview.problems import Problem
from schedules.overview.upcoming import Overview, Upcoming
from worker.messages.echo import quoted
from worker.messages.nearest import nearest


@dataclass(frozen=True, slots=True)
class Selection:
    names: Collection[str] = ()
    """Empty: all."""
    queue: str | None = None
    paused: bool = False
    failing: bool = False
    """Only schedules with a problem."""
    within: timedelta | None = None
    """Only what runs within that time."""

    @property
    def is_everything(self) -> bool:
        return self == Selection()

    def of(self, overview: Overview) -> Overview:
        """What is left. Only names and queue decide on problems, so that no other filter hides one from a check.

        Raises NoSuchSchedule.
        """
        self._require_known([each.name for each in overview.schedules])
        asked = [each for each in overview.schedules if self._asks_for(each)]
        names = {each.name for each in asked}
        problems = [problem for problem in overview.problems if self._concerns(problem, names)]
        failing = {problem.schedule for problem in problems}
        found = replace(
            overview,
            schedules=tuple(
                each
                for each in asked
                if (each.pause is not None or not self.paused) and (each.name in failing or not self.failing)
            ),
            jobs=tuple(job for job in overview.jobs if self._shows_jobs and self.queue in (None, job.queue)),
            problems=tuple(problems),
        )
        return found if self.within is None else _within(found, self.within)

    @property
    def _shows_jobs(self) -> bool:
        return not (self.names or self.paused or self.failing)

    def _asks_for(self, schedule: Upcoming) -> bool:
        return (not self.names or schedule.name in self.names) and self.queue in (None, schedule.queue)

    def _concerns(self, problem: Problem, names: Collection[str]) -> bool:
        if problem.schedule is not None:
            return problem.schedule in names
        return problem.queue is None or self.queue in (None, problem.queue)

    def _require_known(self, known: Collection[str]) -> None:
        for name in self.names:
            if name not in known:
                near = nearest(name, known)
                hint = f'Did you mean "{near}"?' if near else "Without a name, list_schedule shows all there are."
                raise NoSuchSchedule(f"There is no schedule {quoted(name)}. {hint}")


def _within(overview: Overview, time: timedelta) -> Overview:
    horizon = overview.now + time
    cut = (
        replace(each, next_runs=tuple(run for run in each.next_runs if run.at <= horizon))
        for each in overview.schedules
    )
    return replace(
        overview,
        schedules=tuple(each for each in cut if each.next_runs),
        jobs=tuple(job for job in overview.jobs if job.run_at <= horizon),
    )
