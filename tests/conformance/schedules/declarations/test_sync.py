"""Declarations become rows: created, brought in line, retired after a while; and two releases live side by side."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from schedules import changes, scheduled, signals
from schedules.declarations import sync as syncing
from schedules.declarations.sync import GRACE, Declarations, declarations, retire_undeclared
from schedules.models import Schedule, Source
from schedules.occurrences.materialize import Authority
from schedules.spec import Spec
from tests.conformance.model.virtual import ALIAS, VirtualClock, again, ledger_of, report, spec, sync
from tests.schedules.recurrence.moments import at
from worker.models import Job

OLDER, YOUNGER = at("09:00"), at("09:30")
"""When the processes of two releases started."""
MICROSECOND = timedelta(microseconds=1)


def nightly(**given: Any) -> Spec:
    return spec(
        "nightly", source=Source.SETTINGS, declared_in='settings.SCHEDULES["nightly"]', **{"repeat": 3600, **given}
    )


def row() -> Schedule:
    return Schedule.objects.named("nightly").get()


# Create, update


def test_what_is_declared_gets_a_row(clock: VirtualClock) -> None:
    sync(ALIAS, clock, YOUNGER, [nightly(args=["eu"], queue="mail")])

    created = row()
    assert (created.source, created.declared_in) == ("settings", 'settings.SCHEDULES["nightly"]')
    assert (created.task, created.args, created.queue, created.repeat) == ("report", ["eu"], "mail", "3600")
    assert (created.synced_by, created.created_at) == (YOUNGER, at("10:00"))


def test_a_repeat_starts_one_period_after_it_is_first_seen(clock: VirtualClock) -> None:
    sync(ALIAS, clock, YOUNGER, [nightly()])

    assert row().next_run_at == at("11:00")


def test_to_sync_again_writes_no_schedule_anew(clock: VirtualClock) -> None:
    sync(ALIAS, clock, YOUNGER, [nightly()])
    before = row()
    clock.to("10:30")

    sync(ALIAS, clock, YOUNGER, [nightly()])

    assert (row().revision, row().next_run_at, row().changed_at) == (
        before.revision,
        before.next_run_at,
        before.changed_at,
    )


def test_a_thousand_declarations_in_line_cost_a_handful_of_statements(clock: VirtualClock) -> None:
    specs = [spec(f"s{number}", source=Source.CODE, repeat=60) for number in range(40)]
    sync(ALIAS, clock, OLDER, specs)

    with CaptureQueriesContext(connection) as captured:
        sync(ALIAS, clock, YOUNGER, specs)

    assert len(captured) < 10


def test_e1_a_change_of_anything_but_the_recurrence_keeps_the_next_run(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    clock.to("10:20")

    sync(ALIAS, clock, YOUNGER, [nightly(queue="mail", priority=9, args=["us"], overlap="allow", jitter=5)])

    assert row().next_run_at == at("11:00")
    assert (row().queue, row().priority, row().args, row().overlap, row().jitter) == ("mail", 9, ["us"], "allow", 5)


def test_e1_a_change_of_the_recurrence_counts_from_now(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    clock.to("10:20")

    sync(ALIAS, clock, YOUNGER, [nightly(repeat=600)])

    assert row().next_run_at == at("10:30")


def test_e1_what_was_due_before_a_change_runs_under_the_old_columns(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly(args=["old"])])
    clock.to("11:10")

    sync(ALIAS, clock, YOUNGER, [nightly(args=["new"], repeat=600)])
    clock.tick("11:15")

    assert ledger_of(row()) == ["11:00 enqueued"]
    assert Job.objects.get().args == ["old"]
    assert row().next_run_at == at("11:20")


def test_a_pause_by_the_operator_survives_a_deploy(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    changes.pause(row(), ALIAS, clock.now(), reason="holiday", by="bob")

    sync(ALIAS, clock, YOUNGER, [nightly(repeat=600, queue="mail")])

    assert (row().status, row().pause_reason, row().paused_by) == ("paused", "holiday", "bob")
    assert (row().repeat, row().queue, row().next_run_at) == ("600", "mail", None)


def test_what_is_declared_as_disabled_begins_paused_and_may_be_resumed_for_good(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly(enabled=False)])
    assert (row().status, row().pause_reason) == ("paused", "declared with enabled = False")

    changes.resume(row(), ALIAS, clock.now())
    sync(ALIAS, clock, YOUNGER, [nightly(enabled=False, queue="mail")])

    assert (row().status, row().next_run_at) == ("active", at("11:00"))


def test_a_name_in_another_case_is_another_schedule(clock: VirtualClock) -> None:
    names = ["nightly", "Nightly", "nightly ", "nîghtly"]

    sync(ALIAS, clock, YOUNGER, [spec(name, source=Source.CODE, repeat=60) for name in names])

    assert sorted(Schedule.objects.values_list("name", flat=True)) == sorted(names)


# A one-off in settings


@pytest.fixture
def past() -> Iterator[list[str]]:
    """The names of the one-offs that were told to be past."""
    names: list[str] = []

    def note(name: str, **_: Any) -> None:
        names.append(name)

    signals.run_at_past.connect(note)
    yield names
    signals.run_at_past.disconnect(note)


def once(time: str, **given: Any) -> Spec:
    return spec("nightly", source=Source.SETTINGS, run_at=at(time), **given)


def test_a_one_off_to_come_runs_once(clock: VirtualClock, past: list[str]) -> None:
    sync(ALIAS, clock, YOUNGER, [once("10:30")])
    for time in ("10:29", "10:30", "10:31"):
        clock.tick(time)

    assert ledger_of(row()) == ["10:30 enqueued"]
    assert past == []


def test_a_one_off_that_is_past_when_it_is_first_seen_is_missed_and_told(clock: VirtualClock, past: list[str]) -> None:
    sync(ALIAS, clock, YOUNGER, [once("09:59")])
    clock.tick("10:01")

    assert ledger_of(row()) == ["09:59 missed"]
    assert Job.objects.count() == 0
    assert past == ["nightly"]


def test_a_one_off_that_ran_is_not_missed_when_its_zone_is_changed(clock: VirtualClock, past: list[str]) -> None:
    sync(ALIAS, clock, OLDER, [once("10:30")])
    clock.tick("10:30")
    clock.to("11:00")

    sync(ALIAS, clock, YOUNGER, [once("10:30", timezone="Europe/Paris")])

    assert ledger_of(row()) == ["10:30 enqueued"]
    assert past == []


def test_a_one_off_that_ran_and_comes_back_after_it_was_retired_stays_done(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [once("10:30")])
    clock.tick("10:30")
    sync(ALIAS, clock, OLDER, [])
    list(retire_undeclared(ALIAS, undeclared_since() + GRACE))
    assert row().status == "retired"
    clock.to("11:00")

    sync(ALIAS, clock, YOUNGER, [once("10:30")])
    clock.tick("11:01")

    assert (row().status, ledger_of(row())) == ("ended", ["10:30 enqueued"])


# Retire


def undeclared_since() -> Any:
    since = row().undeclared_at
    assert since is not None
    return since


def test_what_left_the_code_is_retired_after_ten_minutes_and_not_before(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, YOUNGER, [])

    list(retire_undeclared(ALIAS, undeclared_since() + timedelta(minutes=10) - MICROSECOND))
    assert row().status == "active"
    list(retire_undeclared(ALIAS, undeclared_since() + timedelta(minutes=10)))
    assert (row().status, row().next_run_at) == ("retired", None)


def test_what_left_the_code_goes_on_until_it_is_retired(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, YOUNGER, [])

    clock.tick("11:00")

    assert ledger_of(row()) == ["11:00 enqueued"]


def test_the_history_of_what_is_retired_stays(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    clock.tick("11:00")
    sync(ALIAS, clock, YOUNGER, [])
    list(retire_undeclared(ALIAS, undeclared_since() + GRACE))
    clock.tick("15:00")

    assert ledger_of(row()) == ["11:00 enqueued"]


def test_the_time_undeclared_counts_from_its_beginning(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, YOUNGER, [])
    since = undeclared_since()

    sync(ALIAS, clock, YOUNGER, [])

    assert undeclared_since() == since


def test_what_is_declared_again_in_time_is_not_retired(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, OLDER, [])
    since = undeclared_since()
    sync(ALIAS, clock, YOUNGER, [nightly()])

    list(retire_undeclared(ALIAS, since + timedelta(days=1)))

    assert (row().status, row().undeclared_at) == ("active", None)


def test_what_comes_back_after_it_was_retired_goes_on_where_it_would_be(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, OLDER, [])
    list(retire_undeclared(ALIAS, undeclared_since() + GRACE))
    clock.to("16:20")

    sync(ALIAS, clock, YOUNGER, [nightly()])

    assert (row().status, row().next_run_at) == ("active", at("17:00"))
    assert ledger_of(row()) == ["11:00–16:00 (6) retired"]


def test_what_users_made_is_never_retired(clock: VirtualClock) -> None:
    made = [clock.declared(source, source=source, repeat=3600) for source in (Source.CALL, Source.API, Source.ADMIN)]

    sync(ALIAS, clock, YOUNGER, [])

    assert [again(schedule).undeclared_at for schedule in made] == [None, None, None]


# What cannot be read


@pytest.fixture
def ignored() -> Iterator[list[str]]:
    """The names of the declarations that were told to be ignored."""
    names: list[str] = []

    def note(name: str, reason: str, **_: Any) -> None:
        assert reason
        names.append(name)

    signals.declaration_ignored.connect(note)
    yield names
    signals.declaration_ignored.disconnect(note)


WRONG: dict[str, Any] = {
    "a cron expression that is none": {"nightly": {"task": "manage:check", "cron": "*/4 * * * * monn"}},
    "a task that is nowhere": {"nightly": {"task": "nowhere.tasks.report", "repeat": 600}},
    "a task whose module raises": {"nightly": {"task": "tests.app.raises.report", "repeat": 600}},
    "no dictionary at all": ["nightly"],
}


@pytest.mark.parametrize("given", WRONG)
def test_l16_a_declaration_that_cannot_be_read_leaves_its_row_as_it_is_and_is_told(
    clock: VirtualClock, nothing_declared: None, ignored: list[str], given: str
) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    before = Schedule.objects.values().get()

    with override_settings(SCHEDULES=WRONG[given]):
        list(syncing.sync(ALIAS, clock, YOUNGER, declarations()))
    list(retire_undeclared(ALIAS, clock.now() + timedelta(days=1)))

    assert Schedule.objects.values().get() == {**before, "synced_by": YOUNGER}
    assert ignored == ["nightly" if isinstance(WRONG[given], dict) else "SCHEDULES"]


def test_a_declaration_that_cannot_be_read_keeps_its_row_from_being_retired(
    clock: VirtualClock, ignored: list[str]
) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, OLDER, [])

    list(syncing.sync(ALIAS, clock, YOUNGER, Declarations([], {"nightly": "wrong"})))
    list(retire_undeclared(ALIAS, clock.now() + timedelta(days=1)))

    assert (row().status, row().undeclared_at) == ("active", None)


def test_what_code_declares_does_not_stand_in_for_an_entry_that_cannot_be_read(
    clock: VirtualClock, nothing_declared: None
) -> None:
    scheduled(name="nightly", repeat=60)(report)

    with override_settings(SCHEDULES={"nightly": {"repeat": 600}}):
        assert declarations().specs == []


# Two releases side by side


def test_an_older_process_never_reverts_what_a_younger_one_synced(clock: VirtualClock) -> None:
    sync(ALIAS, clock, YOUNGER, [nightly(repeat=600, queue="new")])

    sync(ALIAS, clock, OLDER, [nightly(repeat=3600, queue="old")])

    assert (row().repeat, row().queue, row().synced_by) == ("600", "new", YOUNGER)


def test_an_older_process_never_retires_what_a_younger_one_synced(clock: VirtualClock) -> None:
    sync(ALIAS, clock, YOUNGER, [nightly()])

    sync(ALIAS, clock, OLDER, [])

    assert row().undeclared_at is None


def test_a_younger_process_that_declares_the_same_makes_it_its_own(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])

    sync(ALIAS, clock, YOUNGER, [nightly()])
    sync(ALIAS, clock, OLDER, [])

    assert (row().synced_by, row().undeclared_at) == (YOUNGER, None)


def test_two_releases_that_lead_by_turns_come_to_rest_at_the_younger_one(clock: VirtualClock) -> None:
    old, new = [nightly(queue="old"), spec("gone", source=Source.CODE, repeat=60)], [nightly(queue="new")]
    for started_at, specs in ((OLDER, old), (YOUNGER, new), (OLDER, old), (YOUNGER, new)):
        sync(ALIAS, clock, started_at, specs)

    assert row().queue == "new"
    gone = Schedule.objects.named("gone").get()
    assert gone.status == "active"
    assert gone.undeclared_at is not None


# What is the operator's own


def test_a_detached_schedule_is_left_alone(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])

    changes.detach(row(), ALIAS, clock.now())
    sync(ALIAS, clock, YOUNGER, [nightly(repeat=600)])
    sync(ALIAS, clock, YOUNGER, [])

    assert (row().source, row().repeat, row().undeclared_at) == ("admin", "3600", None)


def test_a_retired_schedule_that_is_detached_goes_on(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, OLDER, [])
    list(retire_undeclared(ALIAS, undeclared_since() + GRACE))

    changes.detach(row(), ALIAS, clock.now())

    assert (row().status, row().next_run_at) == ("active", at("11:00"))


def test_a_schedule_that_users_made_is_not_taken_over_by_a_declaration_of_its_name(clock: VirtualClock) -> None:
    clock.declared("nightly", repeat=60)

    sync(ALIAS, clock, YOUNGER, [nightly()])

    assert (row().source, row().repeat) == ("api", "60")


# No lock, no write


class Lost(Exception):
    """The lead was lost."""


def test_without_the_lead_sync_writes_nothing(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    before = row().changed_at

    def prove() -> None:
        raise Lost

    for specs in ([nightly(queue="mail")], [nightly()], []):
        with pytest.raises(Lost):
            sync(ALIAS, clock, YOUNGER, specs, Authority(1, prove))

    assert (row().queue, row().synced_by, row().undeclared_at, row().changed_at) == ("default", OLDER, None, before)


def test_without_the_lead_nothing_is_retired(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, OLDER, [])

    def prove() -> None:
        raise Lost

    with pytest.raises(Lost):
        list(retire_undeclared(ALIAS, undeclared_since() + GRACE, Authority(1, prove)))

    assert row().status == "active"
