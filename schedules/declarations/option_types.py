"""The types of the options, for type checkers alone: whether a value will do is decided where it is given."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta, tzinfo
from typing import Literal, TypedDict

from django.db.models import Model

from schedules.recurrence import GapRule, OverlapRule
from worker.backoff import Backoff
from worker.error_classes import ErrorClass
from worker.keeping import Keeping

Start = float | timedelta | datetime | None
"""Seconds from now, a length, or an aware instant."""
Interval = int | timedelta | str
NoInterval = Literal[0, ""] | None
Length = int | timedelta | None
Days = str | date | Sequence[str | date] | AbstractSet[str | date] | None


class CallOptions(TypedDict, total=False):
    """What a call may say, but for when it runs and whether it repeats, which decides what it makes."""

    queue: str | None
    priority: int | None
    verbose_name: str | None
    creator: str | Model | None
    key: str | None
    remove_existing_tasks: bool
    first_run: datetime | str | None
    timezone: str | tzinfo | None
    dst_gap: GapRule
    dst_overlap: OverlapRule
    starts_at: datetime | None
    repeat_until: datetime | None
    max_runs: int | None
    exclude: Days
    catch_up: str | None
    catch_up_window: Length
    max_catch_up: int | None
    late_after: Length
    start_deadline: Length
    overlap: str | None
    jitter: Length
    retry_past_next: bool | None


class TaskOptions(CallOptions, total=False):
    """What @background may say besides its name, with the defaults of its calls."""

    max_attempts: int | None
    backoff: Backoff | None
    retry_on: Sequence[ErrorClass] | None
    give_up_on: Sequence[ErrorClass]
    atomic: bool
    fresh_connection: bool
    may_fail: bool
    keep_result: bool
    log: bool
    keep: Keeping
    formerly: Sequence[str]
