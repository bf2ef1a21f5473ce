"""A glance: one statement that reads the clock, and when the leader next has something to do.

A leader without work asks only this, once a second. The tick then finds out what is to be done.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connections
from django.db.models import Min

from schedules.models import Instant, Schedule
from worker import queue
from worker.clock import WhenWritten, database_now
from worker.dialects import dialect_of
from worker.dialects.words import table
from worker.instants import UNREADABLE
from worker.models import Job, JobState


class Watch:
    """The time as the leader has it from its database. A test hands in another one."""

    def __init__(self, using: str) -> None:
        self.using = using

    def now(self) -> datetime:
        """The database's time, read now."""
        return database_now(self.using)

    def when_written(self) -> Instant:
        """The same for a statement: the time at which it writes."""
        return WhenWritten()

    def glance(self) -> tuple[datetime, datetime | None]:
        """Now, and when the next tick is due."""
        return glance(self.using)


def glance(using: str) -> tuple[datetime, datetime | None]:
    """Now, by the database's clock, and when the next tick is due: for a run, the end of a pause, or the queue."""
    try:
        return _glance(using)
    except UNREADABLE:  # the first of all may be what is no instant
        return _slower_glance(using)


def _glance(using: str) -> tuple[datetime, datetime | None]:
    connection = connections[using]
    words, schedules = dialect_of(connection).words, table(connection, Schedule)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {words.now}, (SELECT {words.readable('MIN(next_run_at)')} FROM {schedules}), "
            f"(SELECT {words.readable('MIN(paused_until)')} FROM {schedules} WHERE paused_until IS NOT NULL), "
            f"{queue.next_due(using)}",
            [],
        )
        now, *upcoming = (None if each is None else words.instant(each) for each in cursor.fetchone())
    assert now is not None
    return now, min(filter(None, upcoming), default=None)


def _slower_glance(using: str) -> tuple[datetime, datetime | None]:
    """A tick a look, while any job waits for its turn or any instant cannot be read."""
    now = database_now(using)
    ends = Schedule.objects.using(using).aggregate(run=Min("next_run_at"), pause=Min("paused_until")).values()
    waits = now if Job.objects.using(using).filter(state=JobState.WAITING).exists() else None
    return now, min(filter(None, [*ends, queue.next_run_at(using), waits]), default=None)
