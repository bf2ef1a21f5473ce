"""Whatever is given, the answer is a recurrence or InvalidRecurrence with a short message. Never anything else."""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from time import thread_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules.recurrence import (
    CalendarEvery,
    Cron,
    Every,
    InvalidRecurrence,
    Once,
    Recurrence,
    parse_repeat,
    recurrence_of,
)
from schedules.recurrence.invalid import shown
from schedules.recurrence.zones import check_timezone, local

MEGABYTE = "* " * 500_000
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
fuzzed = settings(max_examples=300)


class Nowhere(tzinfo):
    """A time zone that does not know its offset: its datetimes count as naive."""

    def utcoffset(self, moment: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


def refuse(call: Callable[[], object]) -> str:
    begun = thread_time()
    with pytest.raises(InvalidRecurrence) as refusal:
        call()
    assert thread_time() - begun < 2.0
    message = str(refusal.value)
    assert len(message) < 300
    assert message.isprintable()
    return message


def answer_of(call: Callable[[], object]) -> object:
    try:
        return call()
    except InvalidRecurrence as refusal:
        return refusal


def is_short(refusal: object) -> bool:
    return isinstance(refusal, InvalidRecurrence) and len(str(refusal)) < 300


EXPRESSIONS: list[Any] = [
    None, True, 5, 5.5, b"* * * * *", bytearray(b"*"), ["*"] * 5, {}, object(), NOON,
    "", " ", "\t", "*", "* * * *", "* * * * * * *", MEGABYTE, "*" * 10**6, "* * * * " + "," * 900,
    "9" * 5000, f"{'9' * 900} * * * *", f"*/{'9' * 900} * * * *", f"0 0 * * 1#{'9' * 900}",
    "٣ * * * *", "３ * * * *", "² * * * *", "*\u00a0* * * *", "* * * *\u3000*", "∗ * * * *",
    "\x00 * * * *", "* * * * *\n", "* * *\n* *", "* * * *\r*", "*\x0b* * * *", "*\x1c* * * *", "\ud800 * * * *",
    "-1 * * * *", "+1 * * * *", "1.5 * * * *", "1e1 * * * *", "0x1 * * * *", "1_0 * * * *", "60 * * * *",
    "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8", "60 * * * * *",
    "*/0 * * * *", "*/-1 * * * *", "*/ * * * *", "/5 * * * *", "*/5/5 * * * *", "1-2-3 * * * *", "1- * * * *",
    "-5 * * * *", "1,,2 * * * *", ",1 * * * *", "1, * * * *", "*-5 * * * *", "** * * * *", "*5 * * * *",
    "? * * * *", "* ? * * *", "* * ?,1 * *", "* * ?/2 * *", "jan * * * *", "* * mon * *", "* * * * jan",
    "* * * mon *", "* * * * mondays", "* * * * m", "* * * januar *", "* * L/2 * *", "* * 1-L * *", "* * L-3 * *",
    "* * LW * *", "* * 15W * *", "* * * L *", "L * * * *", "* * * * L", "* * * * LL", "* * * * 8L", "* * * * 1#0",
    "* * * * 1#6", "* * * * #1", "* * * * 1#", "* * * * 1#1#1", "* * * * 1-3#1", "* * * * L#1", "1#1 * * * *",
    "@", "@reboot", "@REBOOT", "@every 5m", "@daily @daily", "@dailyy", "0 @daily", "R * * * *", "R(0-5) * * * *",
    "R/5 * * * *", "H * * * *", "50-10 * * * *", "*/61 * * * *", "* */25 * * *", "0 0 31 2 *", "0 0 * * 7/2",
    "SELECT 1; -- * * *", "{{ 7*7 }} * * * *", "%s %s %s %s %s",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=shown)
def test_a_hostile_expression_is_refused(expression: Any) -> None:
    refuse(lambda: Cron(expression))
    refuse(lambda: recurrence_of(cron=expression))


@pytest.mark.parametrize("expression", ["H(5-1) * * * *", "H(0-99) * * * *", "H/0 * * * *", "H( * * * *", "H5 * * * *"])
def test_a_hostile_draw_is_refused(expression: str) -> None:
    refuse(lambda: Cron(expression, name="a name"))


ZONES: list[Any] = [
    None, True, 5, b"UTC", ["UTC"], "", " ", "utc", "europe/paris", "Europe/Paris ", "Europe\\Paris",
    "../../etc/passwd", "/etc/passwd", "..", ".", "Europe", "Europe/", "Europe/../UTC", "zone.tab", "+01:00", "UTC+1",
    "localtime", "posixrules", "\x00", "Europe/Paris\x00", "Ｕ\uff34Ｃ", "\ud800", "A" * 10**6, "Europe/" * 10**5,
]  # fmt: skip


@pytest.mark.parametrize("timezone", ZONES, ids=shown)
def test_a_hostile_zone_is_refused(timezone: Any) -> None:
    refuse(lambda: check_timezone(timezone))
    refuse(lambda: Cron("* * * * *", timezone))
    refuse(lambda: CalendarEvery(1, "day", NOON, timezone))
    refuse(lambda: local(NOON, timezone))


INSTANTS: list[Any] = [
    None, True, 0, 1.5, "2026-01-01", b"", date(2026, 1, 1), [], datetime(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=Nowhere()),
    datetime.min.replace(tzinfo=UTC).replace(tzinfo=local(NOON, "Asia/Tokyo").tzinfo),
]  # fmt: skip


@pytest.mark.parametrize("instant", INSTANTS, ids=lambda instant: str(instant)[:40])
@pytest.mark.parametrize(
    "recurrence", [Once(NOON), Every(60), CalendarEvery(1, "day"), Cron("0 0 * * *", "Europe/Paris")], ids=str
)
def test_a_hostile_instant_is_refused(recurrence: Recurrence, instant: Any) -> None:
    refuse(lambda: recurrence.after(instant))
    refuse(lambda: recurrence.between(instant, NOON))
    refuse(lambda: recurrence.between(NOON, instant))
    refuse(lambda: recurrence.latest(instant, NOON))
    refuse(lambda: recurrence.latest(NOON, instant))
    refuse(lambda: recurrence.count(NOON, instant))
    refuse(lambda: local(instant, "Europe/Paris"))


@pytest.mark.parametrize("instant", [instant for instant in INSTANTS if instant is not None], ids=str)
def test_a_hostile_anchor_is_refused(instant: Any) -> None:
    refuse(lambda: Once(instant))
    refuse(lambda: Every(60, instant))
    refuse(lambda: CalendarEvery(1, "day", instant))
    refuse(lambda: recurrence_of(run_at=instant))


INTERVALS: list[Any] = [
    None, True, 0, -1, 1.0, "60", b"", Decimal(60), 10**10, 10**6000, -(10**6000), timedelta.max, timedelta(0, 0, 1)
]  # fmt: skip


@pytest.mark.parametrize("seconds", INTERVALS, ids=lambda seconds: type(seconds).__name__)
def test_a_hostile_interval_is_refused(seconds: Any) -> None:
    refuse(lambda: Every(seconds))
    refuse(lambda: CalendarEvery(seconds, "day"))


@pytest.mark.parametrize("unit", [None, 5, "", "days", "DAY", "second", "week", ["day"]])
def test_a_hostile_unit_is_refused(unit: Any) -> None:
    refuse(lambda: CalendarEvery(1, unit))


@pytest.mark.parametrize("option", [None, True, 5, "", "RUN", ["run"], "x" * 10**6], ids=shown)
def test_a_hostile_option_is_refused(option: Any) -> None:
    refuse(lambda: Cron("0 0 * * *", dst_gap=option))
    refuse(lambda: Cron("0 0 * * *", dst_overlap=option))


@pytest.mark.parametrize("name", [None, 5, b"x", ["x"]])
def test_a_hostile_name_is_refused(name: Any) -> None:
    refuse(lambda: Cron("H 0 * * *", name=name))


@pytest.mark.parametrize("name", ["\x00", "\ud800", "名前", "x" * 10**6], ids=shown)
def test_any_text_is_a_name(name: str) -> None:
    assert Cron("H 0 * * *", name=name) == Cron("H 0 * * *", name=name)


@fuzzed
@given(st.text(max_size=60) | st.text(string.printable, max_size=60) | st.text("*/-,0123456789LH#? ", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    answer = answer_of(lambda: Cron(text, name="a name").after(NOON))
    assert isinstance(answer, datetime) or is_short(answer)


@fuzzed
@given(st.lists(st.text("*/-,0123456789LH#? ", min_size=1, max_size=6), min_size=5, max_size=6).map(" ".join))
def test_any_five_words_are_an_expression_or_refused(text: str) -> None:
    answer = answer_of(lambda: Cron(text, "Europe/Paris", name="a name").after(NOON))
    assert isinstance(answer, datetime) or is_short(answer)


@fuzzed
@given(st.text(max_size=30) | st.text("0123456789 dayonthser", max_size=20) | st.integers() | st.timedeltas())
def test_anything_is_an_interval_or_refused(value: str | int | timedelta) -> None:
    answer = answer_of(lambda: parse_repeat(value))
    assert parse_repeat(answer) == answer if isinstance(answer, str) else is_short(answer)


@fuzzed
@given(
    st.sampled_from([Once(NOON), Every(7, NOON), CalendarEvery(7, "month", NOON), Cron("7 7 7 * 7", "Asia/Tehran")]),
    st.datetimes(timezones=st.sampled_from([UTC]) | st.timezones()),
)
def test_any_aware_instant_is_answered_or_has_no_date_in_utc(recurrence: Recurrence, instant: datetime) -> None:
    answer = answer_of(lambda: recurrence.after(instant))
    if isinstance(answer, datetime):
        assert answer > instant
    else:
        assert answer is None or "is too near the first or last year to be converted to UTC" in str(answer)
