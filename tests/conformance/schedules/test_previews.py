"""A preview says what an edit would do, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from schedules import api, signals
from schedules.api import InvalidSchedule, Preview, RevisionConflict
from schedules.models import Occurrence, Schedule
from tests.conformance.model.virtual import ALIAS, REPORT, VirtualClock
from tests.schedules.recurrence.moments import at, moment
from worker.models import Job

HOUR = timedelta(hours=1)


@pytest.fixture
def now(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    monkeypatch.setattr(api, "database_now", lambda using: clock.now())
    return clock


@pytest.fixture
def told() -> Iterator[list[str]]:
    events: list[str] = []

    def note(**given: Any) -> None:
        events.append(given["name"])

    for signal in (signals.schedule_changed, signals.run_at_past):
        signal.connect(note)
    yield events
    for signal in (signals.schedule_changed, signals.run_at_past):
        signal.disconnect(note)


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Schedule, Occurrence, Job)]


def previewed(**options: Any) -> Preview:
    before = rows()
    found = api.schedule(REPORT, name="nightly", dry_run=True, **options)
    assert rows() == before
    return found


def shown(instants: tuple[datetime, ...], count: int = 3) -> list[str]:
    return [moment(each) for each in instants[:count]]


def test_of_a_new_schedule_there_is_nothing_before(now: VirtualClock, told: list[str]) -> None:
    found = previewed(cron="0 * * * *")

    assert (found.before, found.at_once, found.explained) == ((), (), ())
    assert shown(found.after) == ["11:00", "12:00", "13:00"]
    assert (len(found.after), told) == (10, [])


def test_another_recurrence_shows_the_runs_before_and_after(now: VirtualClock) -> None:
    api.schedule(REPORT, name="nightly", cron="0 * * * *")

    found = previewed(cron="30 * * * *")

    assert (shown(found.before), shown(found.after)) == (["11:00", "12:00", "13:00"], ["10:30", "11:30", "12:30"])
    assert (found.at_once, found.explained) == ((), ())


def test_what_was_due_would_run_at_once(now: VirtualClock) -> None:
    api.schedule(REPORT, name="nightly", cron="0 * * * *")
    now.to("11:10")

    found = previewed(cron="30 * * * *")

    assert (shown(found.at_once), shown(found.after, 1)) == (["11:00"], ["11:30"])


def test_a_one_off_that_is_past_would_run_at_once(now: VirtualClock) -> None:
    assert shown(previewed(run_at=at("09:00")).at_once) == ["09:00"]


def test_what_a_lifted_limit_leaves_behind_is_explained(now: VirtualClock) -> None:
    api.schedule(REPORT, name="nightly", cron="0 * * * *", repeat_until=at("11:30"), overlap="allow")
    now.tick("11:00")
    now.to("07-03 12:10")

    found = previewed(cron="0 * * * *", overlap="allow")

    (line,) = found.explained
    assert (line.first, line.last, line.outcome) == (at("12:00"), at("07-03 12:00"), "ended")
    assert line.count == (line.last - line.first) / HOUR + 1
    assert (found.before, found.at_once, shown(found.after, 1)) == ((), (), ["07-03 13:00"])


def test_what_an_edit_would_refuse_a_preview_refuses(now: VirtualClock) -> None:
    handle = api.schedule(REPORT, name="nightly", cron="0 * * * *")

    with pytest.raises(InvalidSchedule):
        previewed(cron="99 * * * *")
    with pytest.raises(RevisionConflict):
        previewed(cron="30 * * * *", revision="another")
    assert handle.row.cron == "0 * * * *"


def test_a_preview_leaves_the_callers_transaction_as_it_is(now: VirtualClock) -> None:
    with transaction.atomic(using=ALIAS):
        api.schedule(REPORT, name="other", cron="0 * * * *")
        assert shown(previewed(cron="30 * * * *").after, 1) == ["10:30"]
        api.schedule(REPORT, name="third", cron="0 * * * *")

    assert sorted(Schedule.objects.values_list("name", flat=True)) == ["other", "third"]
