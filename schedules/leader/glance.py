"""A glance: the clock, and when there is next something for the leader to do, in one statement.

A leader without work asks nothing else, once a second. What is to be done then, the tick finds out.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connections

from schedules.models import Schedule
from worker.dialects import dialect_of
from worker.dialects.portable import table
from worker.models import Job, JobState


def glance(using: str) -> tuple[datetime, datetime | None]:
    """Now, by the database's clock, and when the next tick is due: at once, while jobs wait in line."""
    connection = connections[using]
    dialect = dialect_of(connection)
    schedules, jobs = table(connection, Schedule), table(connection, Job)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {dialect.now}, (SELECT MIN(next_run_at) FROM {schedules}), "
            f"(SELECT MIN(paused_until) FROM {schedules}), "
            f"(SELECT MIN(run_at) FROM {jobs} WHERE state = '{JobState.SCHEDULED}'), "
            f"EXISTS (SELECT 1 FROM {jobs} WHERE state = '{JobState.WAITING}')",
            [],
        )
        now, *upcoming, in_line = cursor.fetchone()
    now = dialect.instant(now)
    return now, min([now] * bool(in_line) + [dialect.instant(each) for each in upcoming if each], default=None)
