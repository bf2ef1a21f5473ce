"""Many rows in one statement: what is put in comes out, and what does not fit is refused."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import DataError, connection, transaction

from schedules.models import Occurrence, Schedule
from schedules.occurrences import ledger
from schedules.planning.due import Ledgered, NotRun
from schedules.recurrence.instants import TICK
from tests.conformance.model.virtual import ALIAS, declared
from tests.schedules.recurrence.moments import at
from worker.dialects import dialect_of
from worker.dialects.many import ROWS

pytestmark = pytest.mark.usefixtures("database")


def change(*rows: tuple[int, datetime | None, str]) -> None:
    dialect_of(connection).many.change(connection, Schedule, ("id", "next_run_at", "zone_version"), rows)


def standings() -> list[tuple[datetime | None, str]]:
    return list(Schedule.objects.order_by("pk").values_list("next_run_at", "zone_version"))


@pytest.mark.parametrize("count", [0, 1, 2, ROWS + 1])
def test_every_line_of_the_ledger_is_written_as_it_is(count: int) -> None:
    schedule, now = declared(repeat=60), at("11:00")
    missed = NotRun(Ledgered.MISSED, at("09:01"), at("09:05"), 5, "late, by 5 % — “é”")
    ran = [at("10:00") + number * TICK for number in range(count)]

    ledger.write([ledger.enqueued(schedule.pk, run, 7, term=1, now=now) for run in ran], ALIAS)
    ledger.write([ledger.not_run(schedule.pk, missed, term=None, now=now)], ALIAS)

    first, *others = Occurrence.objects.order_by("scheduled_for").values_list(
        "outcome", "scheduled_for", "scheduled_until", "count", "reason", "job_id", "term", "recorded_at"
    )
    assert first == ("missed", missed.first, missed.last, 5, missed.reason, None, None, now)
    assert others == [("enqueued", run, None, 1, "", 7, 1, now) for run in ran]


def test_each_row_gets_its_own_values_and_others_none() -> None:
    one, two, _ = (declared(name, repeat=60) for name in ("one", "two", "three"))
    (*_, untouched) = standings()

    change((two.pk, None, "a"), (one.pk, at("12:00"), "b"))

    assert standings() == [(at("12:00"), "b"), (None, "a"), untouched]


def test_nothing_to_change_changes_nothing() -> None:
    declared(repeat=60)
    before = standings()

    change()

    assert standings() == before


@pytest.mark.only_on("postgresql", "mysql")
@pytest.mark.parametrize("rows", [1, 2])
def test_text_too_long_for_its_column_is_refused_and_not_cut(rows: int) -> None:
    schedules = [declared(str(number), repeat=60) for number in range(rows)]
    before = standings()

    with pytest.raises(DataError), transaction.atomic():
        change(*((schedule.pk, None, f"{schedule.pk}" * 21) for schedule in schedules))

    assert standings() == before
