"""A preview says what an edit would do, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from schedules import api, changes, signals
from schedules.api import Handle, InvalidSchedule, Preview, RevisionConflict
from schedules.changes import Wanted
from schedules.declarations.sync import declarations, sync
from schedules.models import Occurrence, Schedule
from tests.conformance.model.virtual import ALIAS, REPORT, VirtualClock, jobs_of
from tests.schedules.recurrence.moments import at, moment, span
from worker.models import Job

HOUR = timedelta(hours=1)


@pytest.fixture
def now(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    in_line = changes.all_in_line

    def in_line_now(wanted: Sequence[Wanted], using: str, now: datetime | None = None) -> list[Schedule]:
        return in_line(wanted, using, now or clock.now())

    monkeypatch.setattr(api, "database_now", lambda using: clock.now())
    monkeypatch.setattr(changes, "all_in_line", in_line_now)
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


# Of a verb


def dry(verb: Callable[..., object], **given: Any) -> Preview:
    """What the verb says that it would do. It does none of it."""
    before = rows()
    found = verb(**given, dry_run=True)
    assert rows() == before
    assert isinstance(found, Preview)
    return found


def explained(found: Preview) -> list[str]:
    return [f"{span(line.first, line.last, line.count)} {line.outcome}" for line in found.explained]


@pytest.fixture
def hourly(now: VirtualClock) -> Handle:
    return api.schedule(REPORT, name="nightly", cron="0 * * * *", catch_up="all", overlap="allow")


def test_a_preview_of_a_pause_shows_what_it_would_hold_back(now: VirtualClock, hourly: Handle, told: list[str]) -> None:
    told.clear()
    now.to("11:10")

    for_good, until = dry(hourly.pause, reason="holiday"), dry(hourly.pause, reason="why", until=at("15:30"))

    assert (shown(for_good.before, 2), for_good.after) == (["12:00", "13:00"], ())
    assert shown(for_good.at_once) == ["11:00"]
    assert shown(until.after) == ["16:00", "17:00", "18:00"]
    assert told == []


def test_a_preview_of_a_resume_shows_what_would_be_explained_or_would_run(now: VirtualClock, hourly: Handle) -> None:
    hourly.pause("holiday")
    now.to("13:10")

    plain, caught_up = dry(hourly.resume), dry(hourly.resume, catch_up=True)

    assert (plain.before, shown(plain.after), plain.at_once) == ((), ["14:00", "15:00", "16:00"], ())
    assert explained(plain) == ["11:00–13:00 (3) paused"]
    assert (shown(caught_up.at_once), shown(caught_up.after, 1), caught_up.explained) == (
        ["11:00", "12:00", "13:00"],
        ["14:00"],
        (),
    )
    hourly.resume(catch_up=True)
    now.tick()
    assert jobs_of(hourly.row) == [f"{each} ready" for each in shown(caught_up.at_once)]


def test_a_preview_of_a_repair_shows_what_would_never_run(now: VirtualClock, hourly: Handle) -> None:
    Schedule.objects.update(timezone="Europe/Nowhere")
    now.tick("11:00")
    Schedule.objects.update(timezone="UTC")
    now.to("13:10")

    found = dry(hourly.repair)

    assert (found.before, shown(found.after, 1), found.at_once) == ((), ["14:00"], ())
    assert explained(found) == ["11:00–13:00 (3) broken"]


def test_a_preview_of_a_detachment_and_of_giving_back_shows_which_runs_come_then(
    now: VirtualClock, settings: Any
) -> None:
    settings.SCHEDULES = {"nightly": {"task": "report", "cron": "0 3 * * *"}}
    list(sync(ALIAS, now, now.now(), declarations()))
    handle = api.get("nightly")
    detached = dry(handle.detach)
    assert detached.before == detached.after != ()

    handle.detach()
    changes.edit(handle.row, ALIAS, now.now(), cron="0 5 * * *")
    given_back = dry(handle.give_back)

    assert (shown(given_back.before, 1), shown(given_back.after, 1)) == (["07-02 05:00"], ["07-02 03:00"])
    with pytest.raises(InvalidSchedule, match="so it has no declaration to detach it from"):
        dry(handle.detach)


def test_a_preview_of_a_verb_that_would_be_refused_is_refused(now: VirtualClock, hourly: Handle) -> None:
    Schedule.objects.update(retired_at=now.now(), next_run_at=None)

    for verb, given in ((hourly.pause, {"reason": "why"}), (hourly.resume, {}), (hourly.repair, {})):
        with pytest.raises(InvalidSchedule, match="it is retired"):
            dry(verb, **given)


def test_what_a_preview_finds_broken_is_told_only_when_it_is_made(now: VirtualClock, hourly: Handle) -> None:
    broken: list[str] = []

    def note(name: str, **_: Any) -> None:
        broken.append(name)

    signals.schedule_broken.connect(note)
    Schedule.objects.update(timezone="Europe/Nowhere")
    now.to("11:10")

    dry(hourly.pause, reason="why")
    assert broken == []
    hourly.pause("why")
    assert broken == ["nightly"]
