"""Where croniter, walking by itself, departs from the rules of time: here the rules hold. Instants are in UTC."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import thread_time

import pytest
from croniter import croniter

from schedules.recurrence import Cron, InvalidRecurrence
from schedules.recurrence.cron_grammar import parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(expression: str, start: str, end: str, timezone: str = "UTC") -> list[str]:
    return [f"{instant:%d %H:%M}" for instant in Cron(expression, timezone).between(at(start), at(end))]


def test_an_equal_range_is_one_value() -> None:
    assert fires("5-5 * * * *", "2026-01-01", "2026-01-01 02:00") == ["01 00:05", "01 01:05"]


@pytest.mark.parametrize("expression", ["50-10 * * * *", "0 0 * * fri-sun", "0 22-4 * * *", "0 0 1 nov-feb *"])
def test_a_reversed_range_does_not_wrap(expression: str) -> None:
    with pytest.raises(InvalidRecurrence, match="ends before it begins"):
        Cron(expression)


def test_a_day_field_that_starts_with_a_star_restricts_the_other() -> None:
    assert fires("0 0 */2 * 1", "2026-06-01", "2026-07-01") == ["15 00:00", "29 00:00"]


def test_a_numbered_weekday_leaves_the_day_of_the_month_alone() -> None:
    assert fires("0 0 1 * MON#1", "2026-06-30", "2026-08-02") == ["01 00:00", "06 00:00", "01 00:00"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 * * 1,2#1", ["01 00:00", "02 00:00", "08 00:00", "15 00:00", "22 00:00", "29 00:00"]),
        ("0 0 * * 7,7#5", ["07 00:00", "14 00:00", "21 00:00", "28 00:00"]),
    ],
)
def test_plain_and_numbered_weekdays_stand_side_by_side(expression: str, expected: list[str]) -> None:
    assert fires(expression, "2026-05-31", "2026-07-01") == expected


def test_a_full_list_of_weekdays_is_no_star() -> None:
    assert len(fires("0 0 3,*/16 * 1-7", "2026-06-01", "2026-07-01")) == 30


def test_a_week_that_is_stepped_through_from_its_end_is_an_error() -> None:
    with pytest.raises(InvalidRecurrence, match='"7/2" ends before it begins'):
        Cron("0 0 * * 7/2")


def test_a_date_that_never_comes_does_not_hide_weekdays_that_do() -> None:
    assert fires("0 0 31 2 1", "2026-02-01", "2026-02-12") == ["02 00:00", "09 00:00"]
    with pytest.raises(InvalidRecurrence, match="never occurs"):
        Cron("0 0 31 2 *")


def test_seconds_come_first() -> None:
    assert parse("1 2 3 4 5 6").seconds == (1,)
    assert parse("1 2 3 4 5 6").weekdays == (6,)


@pytest.mark.parametrize("name", ["", "nightly", "weekly report"])
def test_an_alias_is_not_hashed(name: str) -> None:
    assert parse("@daily", name) == parse("0 0 * * *")


def test_a_fixed_time_in_a_repeated_hour_fires_once() -> None:
    assert fires("30 2 * * *", "2026-10-24 12:00", "2026-10-25 12:00", "Europe/Paris") == ["25 00:30"]


@pytest.mark.parametrize(("expression", "expected"), [("* 2 * * *", []), ("15 */2 * * *", ["29 02:15", "28 23:15"])])
def test_a_wildcard_in_a_skipped_hour_does_not_fire(expression: str, expected: list[str]) -> None:
    found = fires(expression, "2026-03-28 22:00", "2026-03-29 03:00", "Europe/Paris")
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("timezone", "change", "shift"),
    [
        ("Australia/Lord_Howe", "2026-04-04 15:00", 30),
        ("America/St_Johns", "2010-11-07 02:31", 60),
        ("Antarctica/Troll", "2026-10-25 01:00", 120),
    ],
)
def test_a_second_pass_loses_no_fires(timezone: str, change: str, shift: int) -> None:
    end = at(change) + timedelta(minutes=shift)
    assert len(list(Cron("* * * * *", timezone).between(at(change) - timedelta(minutes=1), end))) == shift + 1


def test_a_lost_day_adds_no_fire_and_costs_no_time() -> None:
    cron = Cron("* * * * *", "Pacific/Apia")
    begun = thread_time()
    assert cron.after(at("2011-12-30 09:59")) == at("2011-12-30 10:00")
    assert thread_time() - begun < 1.0
    assert len(list(cron.between(at("2011-12-30 09:00"), at("2011-12-30 11:00")))) == 120


@pytest.mark.parametrize("expression", [None, 5, b"* * * * *", ["*"], "9" * 5000, "* * * * " + "9" * 900])
def test_what_is_no_expression_gets_one_kind_of_error(expression: object) -> None:
    with pytest.raises(InvalidRecurrence):
        Cron(expression)  # type: ignore[arg-type]


@pytest.mark.parametrize("timezone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_first_and_the_last_year_are_years(timezone: str) -> None:
    cron = Cron("0 0 1 7 *", timezone)
    assert cron.after(at("0001-01-02")) is not None
    assert cron.after(at("9999-12-01")) is None


def test_one_value_may_be_shared_by_threads() -> None:
    cron = Cron("*/7 3-5 * * mon,fri", "Europe/Paris")
    starts = [at("2026-01-01") + timedelta(hours=17 * number) for number in range(200)]
    expected = [cron.after(start) for start in starts]
    found: list[list[datetime | None]] = []
    threads = [threading.Thread(target=lambda: found.append([cron.after(s) for s in starts])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


# Found by holding the two against each other.


def test_a_range_that_ends_on_weekday_7_keeps_its_step() -> None:
    assert parse("0 0 * * 1-7/3").weekdays == (0, 1, 4)
    assert parse("0 0 * * 2-7/3").weekdays == (2, 5)


@pytest.mark.parametrize("expression", ["0 0 1-31 * 1", "0 0 1/1 * fri", "0 0 L * 0-6", "0 0 15 * 1-6,7"])
def test_a_full_list_of_days_is_no_star(expression: str) -> None:
    assert len(fires(expression, "2026-05-31", "2026-06-30")) == 30


@pytest.mark.parametrize("expression", ["0 0 * * */8", "*/61 * * * *", "0 */25 * * *", "0 0 1-31/32 * *"])
def test_a_step_beyond_its_field_is_an_error(expression: str) -> None:
    with pytest.raises(InvalidRecurrence, match="step"):
        Cron(expression)


def test_where_the_rules_agree_so_do_the_two() -> None:
    for expression in ["*/15 9-17 * * 1-5", "0 0 1,15 * 5", "5 4 L * *", "0 12 29 2 *", "30 6 * 1-3,9 *"]:
        walker = croniter(expression, at("2026-01-01"))
        expected = [walker.get_next(datetime) for _ in range(50)]
        assert list(islice(Cron(expression).between(at("2026-01-01"), at("2400-01-01")), 50)) == expected
