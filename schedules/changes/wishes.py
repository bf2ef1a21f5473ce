"""From a wish to a row: the only path, for declarations, calls, the API and the form. So the same wish has one effect.

Rule E1: occurrences that were due before run by the old columns. Other instants before now are explained in the
ledger, and never run unless somebody asks for it. If the recurrence means the same, the instants stay.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from schedules import signals
from schedules.changes.meaning import anchor_of, instants_of, limits_of
from schedules.changes.pauses import end_pause, hold_back, let_due_run
from schedules.changes.row import explain_not_run, explain_past, plan_next, put, whys
from schedules.models import Kind, Occurrence, Schedule
from schedules.planning.due import Ledgered, NotRun
from schedules.recurrence.instants import TICK
from schedules.spec import Spec

PAUSE_REASON = "declared with enabled = False"
BLANK = {field.attname: field.get_default() for field in Schedule._meta.concrete_fields}
"""A row of which nothing is said yet."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants of a row."""

    columns: dict[str, Any]
    """All that it is to be, or some of it."""
    start: datetime | None = None
    """From where a repeat is to count. None: from where it does, or from now where its distance is another."""
    enabled: bool | None = None
    """Whether it is to be paused. None: the wish says nothing of that."""
    runs_late: bool = True
    """Whether a one-off whose time is past runs at once; else it is missed."""


def wish_of(spec: Spec) -> Wish:
    start = None if spec.start is None else spec.start.at
    return Wish(spec.columns(), start, spec.enabled, spec.runs_late)


def first_row(spec: Spec, now: datetime) -> Schedule:
    """The row of a schedule that there was not before. Nothing fires for the time before now."""
    since = {"created_at": now, "changed_at": now, "settled_until": now}
    columns = BLANK | spec.columns() | {"identity": spec.identity} | since
    row = Schedule(*columns.values())  # type: ignore[misc]  # by their places: by names it takes three times as long
    row.enabled = spec.enabled
    if spec.start is None:
        row.anchor = now if spec.repeat else None
    else:  # which is an occurrence itself, be it now
        row.anchor = start = spec.start.at or now + timedelta(seconds=spec.start.delay)
        row.settled_until = (now if spec.repeat else start) - TICK
    if not spec.enabled:
        row.paused_at, row.pause_reason, row.paused_as_declared = now, PAUSE_REASON, True
    return row


def begin(row: Schedule, wish: Wish, using: str, now: datetime) -> list[NotRun]:
    """Let a row count that is its `first_row`, and not stored yet. Returns what is to be explained of it then."""
    at = _past_one_off(row, now)
    explained = [] if at is None else _settle_past_one_off(row, at, wish, using)
    plan_next(row, using, now)
    _tell_if_over(row, using, now)
    return explained


def follow(row: Schedule, wish: Wish, using: str, now: datetime) -> bool:
    """Bring a row in line with a wish. Returns whether its task or queue is another now: it may leave jobs behind."""
    let_due_run(row, using, now)
    ran_as = row.task, row.queue
    returns, wished = row.retired_at is not None, _as_wished(row, wish, using, now)
    fires_elsewhere = instants_of(row) != instants_of(wished)
    if returns or fires_elsewhere or row.broken or limits_of(row) != limits_of(wished):
        _turn(row, wished, wish, using, now)
        _tell_if_over(row, using, now)
    else:
        put(row, **wish.columns, anchor=wished.anchor)
    at = _past_one_off(row, now) if returns or fires_elsewhere else None
    if at is not None and not _is_explained(row, at, using):
        explain_not_run(row, _settle_past_one_off(row, at, wish, using), using, now)
    if wish.enabled is not None and (returns or wish.enabled != row.enabled):
        _follow_enabled(row, wish.enabled, using, now)
    plan_next(row, using, now)
    return (row.task, row.queue) != ran_as


def _as_wished(row: Schedule, wish: Wish, using: str, now: datetime) -> Schedule:
    wished = copy(row)
    for name, value in wish.columns.items():
        setattr(wished, name, value)
    wished.anchor = anchor_of(row, wished, wish.start, now, partial(_has_begun, row, using))
    return wished


def _turn(row: Schedule, wished: Schedule, wish: Wish, using: str, now: datetime) -> None:
    """Explain what did not run under the old columns, or else, where nobody can read these, under the new ones."""
    why = whys(row)
    is_explained = explain_past(row, using, now, why)
    put(row, **wish.columns, anchor=wished.anchor, broken="", retired_at=None)
    if not is_explained:
        explain_past(row, using, now, why)


def _past_one_off(row: Schedule, now: datetime) -> datetime | None:
    """When it was to run once, if that is over."""
    return row.run_at if row.run_at is not None and row.run_at <= max(now, row.settled_until) else None


def _settle_past_one_off(row: Schedule, at: datetime, wish: Wish, using: str) -> list[NotRun]:
    """It runs at once or is missed, if the ledger does not have it: then it ran, or will not, whatever is wished."""
    if wish.runs_late:
        put(row, settled_until=at - TICK)
        return []
    transaction.on_commit(partial(signals.run_at_past.send_robust, None, name=row.name, run_at=at), using=using)
    return [NotRun(Ledgered.MISSED, at, at, 1, "its time was past when it was first seen")]


def _tell_if_over(row: Schedule, using: str, now: datetime) -> None:
    name, until = row.name, row.repeat_until
    if until is not None and until < now:
        tell_over = partial(signals.repeat_until_past.send_robust, None, name=name, repeat_until=until)
        transaction.on_commit(tell_over, using=using)


def _is_explained(row: Schedule, instant: datetime, using: str) -> bool:
    last = _lines(row, using).filter(scheduled_for__lte=instant).first()
    return last is not None and instant <= last.latest


def _has_begun(row: Schedule, using: str) -> bool:
    last = _lines(row, using).first()
    return last is not None and row.anchor is not None and row.anchor <= last.latest


def _lines(row: Schedule, using: str) -> QuerySet[Occurrence]:
    return Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.NOMINAL).order_by("-scheduled_for")


def _follow_enabled(row: Schedule, enabled: bool, using: str, now: datetime) -> None:
    """An operator's pause stays, whatever the declaration says."""
    if not enabled and row.paused_at is None:
        put(row, paused_at=now, pause_reason=PAUSE_REASON, paused_as_declared=True)
        hold_back(row, using, now)
    elif enabled and row.paused_as_declared:
        end_pause(row, using, now, held_back_until=now)
    put(row, enabled=enabled)
