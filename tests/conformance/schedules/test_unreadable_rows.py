"""What nobody can read stands in a column of one schedule: it is set aside with its reason, and stops no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from schedules import changes
from schedules.declarations.sync import GRACE, Declarations, retire_undeclared, sync
from schedules.leader.glance import glance
from schedules.models import Leadership, Occurrence, Schedule, Source
from schedules.occurrences import ledger
from schedules.occurrences.materialize import ANYONE
from schedules.overview import overview
from schedules.scheduler import replan_stale_zones, replan_unreachable, tick
from tests.conformance.model.virtual import VirtualClock, spec
from tests.conformance.unreadable import Spoilt, put, spoilt
from tests.conformance.worker.queue.jobs import ALIAS
from tests.schedules.admin import admin_rows
from worker.chores import Chores
from worker.clock import database_now
from worker.models import Job

MINUTE = timedelta(minutes=1)
DECISIVE = ("settled_until", "anchor", "run_at", "starts_at", "repeat_until", "paused_until")
"""Without these instants nobody can tell when it runs."""

pytestmark = pytest.mark.usefixtures("database")


def each_column(now: datetime, **columns: object) -> dict[int, Spoilt]:
    """A schedule for each column and each value, by its key."""
    made = {}
    for n, each in enumerate(spoilt(Schedule)):
        row = admin_rows.schedule(f"spoilt {n}", repeat=60, columns={**due(now), **columns})
        put(Schedule, row.pk, each)
        made[row.pk] = each
    return made


def due(now: datetime) -> dict[str, datetime]:
    return {"anchor": now - 5 * MINUTE, "settled_until": now - 2 * MINUTE, "next_run_at": now - MINUTE / 60}


def good(now: datetime, **columns: object) -> Schedule:
    return admin_rows.schedule("good", repeat=60, columns={**due(now), **columns})


def lead(now: datetime) -> None:
    """What a leader does: its upkeep, and ticks."""
    list(replan_unreachable(ALIAS, now, ANYONE))
    for _ in range(100):
        due = tick(ALIAS, now, Chores())
        if due is None or due > now:
            return
    raise AssertionError("Ticks never come to an end.")


def shown(now: datetime) -> dict[int | None, str]:
    return {each.id: each.status for each in overview(ALIAS, now, runs=1).schedules}


def broken(now: datetime) -> set[int]:
    return set(Schedule.objects.broken(now).values_list("pk", flat=True))


def has_run(schedule: Schedule) -> bool:
    return Job.objects.filter(schedule_id=schedule.pk).count() == 1


def test_ticks_go_on_beside_it_and_what_cannot_be_decided_is_broken_and_told() -> None:
    now = database_now(ALIAS)
    made = each_column(now)
    other = good(now)

    lead(now)

    assert has_run(other)
    wanting = {key for key, each in made.items() if each.column in DECISIVE}
    assert {str(made[key]) for key in wanting - broken(now)} == set()
    reasons = dict(Schedule.objects.filter(pk__in=wanting).values_list("pk", "broken"))
    assert {str(made[key]): why for key, why in reasons.items() if made[key].column not in why} == {}
    assert {key: status for key, status in shown(now).items() if key in broken(now) and status != "broken"} == {}
    again, soon = glance(ALIAS)
    assert soon is None or soon > again - MINUTE / 2


def test_each_alone_is_broken_or_goes_on_and_a_tick_comes_to_the_other() -> None:
    now = database_now(ALIAS)
    row, other = admin_rows.schedule("spoilt", repeat=60, columns=due(now)), good(now)
    before = {each.pk: columns_of(each) for each in (row, other)}
    for each in spoilt(Schedule):
        put(Schedule, row.pk, each)

        _, first = glance(ALIAS)
        assert first is not None, each
        assert first <= now, each
        lead(now)

        assert has_run(other), each
        assert row.pk in broken(now) or not Schedule.objects.filter(pk=row.pk, next_run_at__lte=now).exists(), each
        for key, columns in before.items():
            Schedule.objects.filter(pk=key).update(**columns)
        Job.objects.all().delete()
        Occurrence.objects.all().delete()


def columns_of(row: Schedule) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in Schedule._meta.concrete_fields[1:]}


def test_before_a_leader_comes_to_it_it_is_shown_as_broken() -> None:
    now = database_now(ALIAS)
    made = each_column(now)

    told = shown(now)

    undecided = {key for key, each in made.items() if each.column in (*DECISIVE, "next_run_at")}
    assert {str(made[key]) for key in undecided if told[key] != "broken"} == set()


def test_what_is_repaired_counts_again_from_now() -> None:
    now = database_now(ALIAS)
    made = {key: each for key, each in each_column(now).items() if each.column in ("settled_until", "anchor")}
    lead(now)

    for key in made:
        changes.repair(Schedule.objects.get(pk=key), ALIAS, now)

    rows = Schedule.objects.filter(pk__in=made)
    assert {row.status for row in rows} == {"active"}
    assert all(row.next_run_at is not None and now <= row.next_run_at <= now + MINUTE for row in rows)


def test_pauses_end_beside_it() -> None:
    now = database_now(ALIAS)
    pause = {"paused_at": now - 3 * MINUTE, "paused_until": now - MINUTE, "next_run_at": None}
    made, other = each_column(now, **pause), good(now, **pause)

    lead(now)

    assert Schedule.objects.get(pk=other.pk).status == "active"
    without_end = {key for key, each in made.items() if each.column == "paused_until"}
    assert {str(made[key]) for key in without_end - broken(now)} == set()
    assert not Job.objects.filter(schedule_id__in=without_end).exists()


def test_declarations_are_synced_beside_it(clock: VirtualClock) -> None:
    started_at = clock.now()
    declared = [spec(f"s{n}", source=Source.CODE, repeat=60) for n in range(len(spoilt(Schedule)))]
    list(sync(ALIAS, clock, started_at, Declarations(declared)))
    rows = Schedule.objects.order_by("pk")
    made = dict(zip(rows.values_list("pk", flat=True), spoilt(Schedule), strict=True))
    for key, each in made.items():
        put(Schedule, key, each)

    changed = [spec(one.name, source=Source.CODE, repeat=3600, jitter=7) for one in declared]
    list(sync(ALIAS, clock, started_at + MINUTE, Declarations([*changed, spec("new", source=Source.CODE, repeat=60)])))

    list(sync(ALIAS, clock, started_at + MINUTE, Declarations(changed)))

    assert Schedule.objects.named("new").exists()
    assert {str(made[row.pk]) for row in rows if row.pk in made and (row.repeat, row.jitter) != ("3600", 7)} == set()


def test_schedules_are_retired_beside_it() -> None:
    now = database_now(ALIAS)
    gone = {"source": Source.CODE, "undeclared_at": now - 2 * GRACE}
    made, other = each_column(now, **gone), good(now, **gone)

    list(retire_undeclared(ALIAS, now))

    assert Schedule.objects.get(pk=other.pk).status == "retired"
    kept = {key for key in made if Schedule.objects.get(pk=key).status != "retired"}
    assert {made[key].column for key in kept} <= {"undeclared_at", "retired_at", "revision"}


def test_next_runs_are_computed_anew_beside_it_where_zones_change() -> None:
    now = database_now(ALIAS)
    made = each_column(now, next_run_at=now + MINUTE, zone_version="another")
    other = good(now, next_run_at=now + MINUTE, zone_version="another")

    list(replan_stale_zones(ALIAS, now, ANYONE))

    assert Schedule.objects.get(pk=other.pk).zone_version != "another"
    kept = Schedule.objects.filter(pk__in=made, zone_version="another", next_run_at__isnull=False)
    assert [str(made[row.pk]) for row in kept] == []


def test_the_ledger_is_pruned_and_its_schedule_is_run_beside_it() -> None:
    now = database_now(ALIAS)
    schedule = good(now)
    for n, each in enumerate(spoilt(Occurrence)):
        given = {"schedule": schedule, "kind": "manual", "outcome": "manual", "recorded_at": now}
        line = Occurrence.objects.create(scheduled_for=now - n * MINUTE, **given)
        put(Occurrence, line.pk, each)

    job = changes.run_now(schedule, ALIAS, now)
    list(ledger.prune(ALIAS, now + MINUTE))

    assert Job.objects.get(pk=job).run_at == now
    assert not Occurrence.objects.filter(scheduled_for=now, recorded_at=now).exists()


def test_a_term_is_seen_beside_it() -> None:
    now = database_now(ALIAS)
    for each in spoilt(Leadership):
        spoilt_term = Leadership.objects.create(started_at=now, renewed_at=now)
        put(Leadership, spoilt_term.pk, each)
    Leadership.objects.create(leader="good", started_at=now, renewed_at=now)

    leader = overview(ALIAS, now, runs=1).leader

    assert leader is not None
    assert leader.name == "good"
