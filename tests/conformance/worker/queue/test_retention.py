"""How long finished jobs are kept: failed ones may stay longer, and nobody passes them again and again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conformance.worker.queue.jobs import ALIAS, error, new, somebody
from tests.conformance.worker.reports.written import tell
from tests.refusals import raising
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.models import FinishedJob, JobReport
from worker.outcomes import Cancelled, Failed, Succeeded
from worker.queue import retention
from worker.refusals import RowsRefused
from worker.values import Ended

pytestmark = pytest.mark.usefixtures("database")

NOW = at("2026-06-01 10:00")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _a_month_and_a_quarter(settings: Any) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": 30 * DAY, "KEEP_FAILED": 90 * DAY}


def test_failed_jobs_stay_as_long_as_is_said_and_all_others_as_long_as_others() -> None:
    failed = [finish(Failed(error()), days) for days in (29, 31, 90, 91)]
    succeeded = [finish(Succeeded(), days) for days in (30, 31, 91)]
    cancelled = [finish(Cancelled("why"), days) for days in (30, 31)]

    assert prune() == 4

    assert history() == {*failed[:3], succeeded[0], cancelled[0]}


def test_all_stay_equally_long_unless_it_is_said(settings: Any) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": 30 * DAY}
    young = finish(Failed(error()), 30)
    finish(Failed(error()), 31)

    assert prune() == 1
    assert history() == {young}


def test_failed_jobs_that_stay_are_passed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PORTION", 10)
    for _ in range(25):
        finish(Failed(error()), 40)
    process = queue.Retention()
    assert prune(process) == 0
    old = finish(Succeeded(), 31)

    with CaptureQueriesContext(connection) as queries:
        assert prune(process) == 1

    assert sum("LIMIT 10" in query["sql"] for query in queries) == 1  # it goes on beyond all that it has passed
    assert old not in history()
    assert len(history()) == 25


def test_jobs_that_ended_at_the_same_instant_are_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PORTION", 10)
    for _ in range(15):
        finish(Failed(error()), 40)
    finish(Succeeded(), 40)

    assert prune() == 1


def test_what_was_recorded_late_is_found_within_a_day() -> None:
    process = queue.Retention()
    finish(Failed(error()), 31)
    assert prune(process) == 0
    finish(Succeeded(), 40)

    assert prune(process, NOW + timedelta(hours=23)) == 0
    assert prune(process, NOW + timedelta(hours=24)) == 1


def test_where_the_clock_was_set_back_it_is_begun_anew() -> None:
    process = queue.Retention()
    finish(Failed(error()), 31)
    prune(process)
    finish(Succeeded(), 40)

    assert prune(process, NOW - timedelta(seconds=1)) == 1


def test_what_goes_before_failed_jobs_do_takes_its_report_along_and_is_told_before_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (id,) = queue.enqueue_many([new()], ALIAS)
    (job,) = queue.claim(ALIAS, somebody(), 1)
    tell(job, 1)
    queue.ack(ALIAS, [Ended(job, Succeeded(), NOW, NOW - 31 * DAY)])
    finish(Failed(error()), 31)
    told: list[tuple[list[int], bool]] = []
    monkeypatch.setattr(
        retention, "before_pruning", [lambda ids, using: told.append((list(ids), set(ids) <= history()))]
    )

    assert prune() == 1

    assert told == [([id], True)]
    assert not JobReport.objects.exists()


def test_a_job_that_cannot_go_is_told_holds_up_no_other_and_is_tried_again() -> None:
    bad, *_ = [finish(Succeeded(), days) for days in (40, 39, 38)]
    process = queue.Retention()
    with (
        raising("worker_finishedjob", only=f"OLD.id = {bad}", on="DELETE"),
        pytest.raises(RowsRefused, match=f"FinishedJob {bad}: .*not today"),
    ):
        prune(process)
    assert history() == {bad}

    assert prune(process) == 1


def test_jobs_that_cannot_go_hold_up_none_that_goes_for_another_reason() -> None:
    """The time of their task is over, or that of failed jobs, and the others go after them."""
    bad = [finish(Succeeded(), 1), finish(Failed(error()), 92)]
    FinishedJob.objects.filter(pk=bad[0]).update(keep_until=NOW - DAY)
    for outcome, days in ((Failed(error()), 91), (Succeeded(), 31)):
        finish(outcome, days)

    with (
        raising("worker_finishedjob", only=f"OLD.id IN ({bad[0]}, {bad[1]})", on="DELETE"),
        pytest.raises(RowsRefused, match=f"FinishedJob {bad[0]}: .*not today"),
    ):
        prune()

    assert history() == set(bad)


def prune(process: queue.Retention | None = None, now: datetime = NOW) -> int:
    return sum((process or queue.Retention()).prune(ALIAS, now))


def finish(outcome: Any, days: float) -> int:
    """Returns the id of a job that ended so many days ago."""
    (id,) = queue.enqueue_many([new()], ALIAS)
    (job,) = queue.claim(ALIAS, somebody(), 1)
    queue.ack(ALIAS, [Ended(job, outcome, NOW, NOW - days * DAY)])
    return id


def history() -> set[int]:
    return set(_ids())


def _ids() -> Iterator[int]:
    yield from FinishedJob.objects.values_list("pk", flat=True)
