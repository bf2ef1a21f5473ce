"""Several who believe they lead, each in a thread and a session of its own, and the account of what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connections

from schedules.models import Occurrence, Schedule
from tests.conformance.model.virtual import ALIAS
from tests.schedules.recurrence.moments import at
from worker.models import Job
from worker.sessions.connection import private_connection


def in_own_session(threads: ThreadPoolExecutor, purpose: str, do: Callable[[str], Any]) -> Future[Any]:
    """Do it in another thread, on a private connection whose alias it is given."""

    def run() -> Any:
        try:
            with private_connection(ALIAS, purpose) as using:
                return do(using)
        finally:
            connections.close_all()

    return threads.submit(run)


def assert_each_ran_once(times: Sequence[str]) -> None:
    expected = Counter({(pk, at(time)): 1 for pk in Schedule.objects.values_list("pk", flat=True) for time in times})
    assert Counter(Occurrence.objects.values_list("schedule_id", "scheduled_for")) == expected
    assert Counter(Job.objects.values_list("schedule_id", "scheduled_for")) == expected
    assert set(Occurrence.objects.values_list("job_id", flat=True)) == set(Job.objects.values_list("pk", flat=True))
    assert not Schedule.objects.exclude(broken="").exists()
