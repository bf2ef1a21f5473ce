"""What befalls an installation in the course of time, at random: to processes, to the database, to single rows.

Each kind is one method of `Mishaps`. When it is over all is as it was, but for a process that is stopped until it is
let go on, and for a clock that was set.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from django.db import connection, models, transaction

from schedules import api
from schedules.models import Leadership, Occurrence, Schedule
from tests.chaos.clocks import SettableClock
from tests.chaos.crew import SECONDS_TO_START, Crew, id_of, wait
from tests.chaos.tasks import count
from tests.locks import locked_for
from tests.processes import Process, eventually
from worker.models import FinishedJob, FinishedState, Job, WorkerProcess

SPANS = (1.0, 6.0, 12.0)
"""Seconds that something lasts: shorter and longer than a worker may be silent."""
STEPS = (-90, -5, 5, 90)
"""Seconds by which the database's clock is ahead."""
TABLES = [model._meta.db_table for model in (Job, FinishedJob, WorkerProcess, Schedule, Occurrence, Leadership)]
NO_INSTANT = {"postgresql": "infinity", "mysql": "0000-00-00 00:00:00", "sqlite": "the day before yesterday"}
DAY = 86_400
OLD = "tests.chaos.tasks.of_long_ago"


class Mishaps:
    """They befall a worker and a leader that are `doomed`; what befalls everybody befalls those who are `spared`, too.

    `clock`: the database's. `old`: so many rows are to be pruned together.
    """

    def __init__(
        self,
        crew: Crew,
        spared: list[Process],
        doomed: list[Process],
        chance: random.Random,
        *,
        clock: SettableClock,
        old: int,
    ) -> None:
        self.crew = crew
        self.spared = spared
        self.doomed = doomed
        self.chance = chance
        self.clock = clock
        self.befell: Counter[str] = Counter()
        self.bad_jobs: list[int] = []
        self.bad_schedules: list[int] = []
        self._to_come = self._dealt()
        _age(old)

    def next(self) -> None:
        mishap = next(self._to_come)
        mishap()
        self.befell[mishap.__name__] += 1

    def end(self) -> None:
        """All go on, those too that have just begun. What was bad was set aside, and leaves no trace."""
        self.go_on()
        eventually(lambda: all(map(id_of, self.doomed)), within=SECONDS_TO_START)
        self.clock.set(0)
        jobs = FinishedJob.objects.filter(pk__in=self.bad_jobs, state=FinishedState.FAILED)
        schedules = Schedule.objects.filter(pk__in=self.bad_schedules).exclude(broken="")
        eventually(lambda: jobs.count() == len(self.bad_jobs), within=120)
        eventually(lambda: schedules.count() == len(self.bad_schedules), within=120)
        jobs.delete()
        schedules.delete()

    def _dealt(self) -> Iterator[Callable[[], None]]:
        """In any order, and each before any comes again."""
        kinds = [
            self.kill,
            self.lock,
            self.suspend_all,
            self.step_the_clock,
            self.spoil_a_job,
            self.spoil_a_schedule,
        ]
        if connection.vendor != "sqlite":  # one that is stopped while it writes would keep everybody from writing
            kinds += [self.stop, self.go_on]
        while True:
            yield from self.chance.sample(kinds, len(kinds))

    # Processes

    def kill(self) -> None:
        """And have another begin in its place."""
        number = self.chance.randrange(len(self.doomed))
        self.doomed[number].kill()
        self._replace(number)

    def stop(self) -> None:
        """For long enough to be taken for dead."""
        self.chance.choice(self.doomed).send(signal.SIGSTOP)

    def go_on(self) -> None:
        for each in self.doomed:
            each.send(signal.SIGCONT)

    def suspend_all(self) -> None:
        """As a host is that sleeps. None of them is dead."""
        for each in (*self.spared, *self.doomed):
            each.send(signal.SIGSTOP)
        wait(self.chance.choice(SPANS))
        for each in (*self.spared, *self.doomed):
            each.send(signal.SIGCONT)

    # The database

    def lock(self) -> None:
        """One of our tables or all of them; and somebody may be killed meanwhile."""
        tables = self.chance.choice([*([table] for table in TABLES), TABLES])
        killed = self.chance.choice([*range(len(self.doomed)), None])
        with locked_for(self.chance.choice(SPANS), tables):
            if killed is not None:
                self.doomed[killed].kill()
        if killed is not None:
            self._replace(killed)

    def step_the_clock(self) -> None:
        self.clock.set(self.chance.choice(STEPS))

    # Rows

    def spoil_a_job(self) -> None:
        """Nobody can read its arguments, or when it is to run."""
        column, value = self.chance.choice([("arguments", "[["), ("run_at", NO_INSTANT[connection.vendor])])
        job = count("bad", schedule=DAY)
        _put(job, f"{column} = %s, state = 'ready'", value)
        self.bad_jobs.append(job.pk)

    def spoil_a_schedule(self) -> None:
        """Nobody can read up to when it was decided on, and it is due."""
        name = f"bad {len(self.bad_schedules)}"
        api.schedule(count, name=name, repeat=DAY, args=["bad"])
        row = Schedule.objects.get(name=name)
        _put(row, "settled_until = %s, next_run_at = anchor", NO_INSTANT[connection.vendor])
        self.bad_schedules.append(row.pk)

    def _replace(self, number: int) -> None:
        self.doomed[number] = self.crew.worker() if number == 0 else self.crew.leader()


def _put(row: models.Model, values: str, *params: str) -> None:
    """Past all that looks at values."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET {values} WHERE id = %s", [*params, str(row.pk)])


def _age(number: int) -> None:
    """So many jobs, rounded up to a power of two, ended long ago and are to be pruned, all at once."""
    then, table = datetime(2020, 1, 1, tzinfo=UTC), FinishedJob._meta.db_table
    others = ", ".join(str(field.column) for field in FinishedJob._meta.concrete_fields if not field.primary_key)
    old = FinishedJob(pk=-1, task=OLD, state=FinishedState.SUCCEEDED, arguments="[[],{}]", max_attempts=1)
    with transaction.atomic(), connection.cursor() as cursor:
        FinishedJob.objects.bulk_create([_dated(old, then)])
        there = 1
        while there < number:
            cursor.execute(
                f"INSERT INTO {table} (id, {others}) SELECT id - %s, {others} FROM {table} WHERE id < 0", [there]
            )
            there *= 2


def _dated(job: FinishedJob, then: datetime) -> FinishedJob:
    job.enqueued_at = job.run_at = job.started_at = job.finished_at = then
    return job
