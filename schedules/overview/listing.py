"""The list: schedules by their next run, declarations that are not in the database yet, and jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from schedules.models import Schedule, ScheduleQuerySet
from schedules.overview import problems
from schedules.overview.busy import unfinished_jobs
from schedules.overview.past_runs import last_runs, with_newest
from schedules.overview.pending import pending_jobs
from schedules.overview.running import running_jobs
from schedules.overview.scope import MOST_NAMES, Scope
from schedules.overview.selection import EVERYTHING, Selection, UnknownName
from schedules.overview.upcoming import by_urgency, row_of, upcoming
from schedules.overview.values import Overview, Upcoming
from worker.dialects.portions import portions
from worker.messages.echo import quoted
from worker.messages.nearest import did_you_mean

MOST_COMPARED = 10_000
"""Names that are compared with one that is unknown."""
MOST_TOLD = 5
"""Names in a message."""
AT_A_TIME = 2000
"""Rows that are read in one statement."""


def overview(using: str, now: datetime, runs: int, selection: Selection = EVERYTHING) -> Overview:
    """What is asked for, with the next so many `runs` of each schedule. Raises UnknownName."""
    scope = Scope(using, now, selection)
    if not scope.has_tables:
        return Overview(now, None, by_urgency(_declared(scope, runs)), (), (), problems.without_tables(scope))
    scope = with_whole_names(scope)
    selection = scope.selection
    found = problems.find(scope)
    failing = {problem.schedule for problem in found if problem.schedule is not None}
    schedules = [*_stored(scope, runs, failing), *(() if selection.failing else _declared(scope, runs))]
    shown = by_urgency(filter(None, (selection.cut(each, now) for each in schedules)))
    return Overview(now, scope.lead, shown, running_jobs(scope, shown), pending_jobs(scope), found)


def of_rows(using: str, rows: Sequence[Schedule], now: datetime, runs: int) -> list[Upcoming]:
    """The same of rows that somebody has read by `with_newest`, in their order."""
    last, unfinished = last_runs(using, rows, now), unfinished_jobs(using, rows, now)
    return [upcoming(row, last.get(row.pk), now, runs, unfinished.get(row.pk, ())) for row in rows]


def with_whole_names(scope: Scope) -> Scope:
    """The same, where each name that was asked for is whole: the last part of a name will do where it is of one only.

    Raises UnknownName, with the names that there are or the nearest one, where it is of several or of none.
    """
    names = set(scope.selection.names)
    if not names:
        return scope
    known = set(scope.all_rows.named(*names).values_list("name", flat=True)) | {spec.name for spec in scope.specs}
    whole = [name if name in known else _whole_name(name, scope) for name in sorted(names)]
    return scope if names.issuperset(whole) else replace(scope, selection=replace(scope.selection, names=tuple(whole)))


def _whole_name(last: str, scope: Scope) -> str:
    end, declared_names = f".{last}", [spec.name for spec in scope.specs]
    # All names are printable, and no database takes every other text.
    rows = scope.all_rows if last.isprintable() else scope.all_rows.none()
    # Some databases compare without regard to case here.
    ending = rows.filter(name__endswith=end).order_by("name").values_list("name", flat=True)[:MOST_COMPARED]
    whole = sorted({name for name in (*ending, *declared_names) if name.endswith(end)})
    if len(whole) == 1:
        return whole[0]
    if whole:
        more = f" and {len(whole) - MOST_TOLD} more" if len(whole) > MOST_TOLD else ""
        shown = ", ".join(map(quoted, whole[:MOST_TOLD]))
        raise UnknownName(f"{quoted(last)} is the last part of several names: {shown}{more}. Give one of them whole.")
    known = [*scope.all_rows.values_list("name", flat=True)[:MOST_COMPARED], *declared_names]
    hint = did_you_mean(last, known, otherwise="Without a name, list_schedule shows all there are.")
    raise UnknownName(f"There is no schedule {quoted(last)}. {hint}")


def _stored(scope: Scope, runs: int, failing: Collection[str]) -> Iterator[Upcoming]:
    rows = scope.selection.listed(scope.all_rows, scope.now)
    parts = (rows.named(*some) for some in portions(sorted(failing), MOST_NAMES)) if scope.selection.failing else [rows]
    for part in parts:
        for some in _portions_of(with_newest(part, scope.now)):
            yield from of_rows(scope.using, some, scope.now, runs)


def _declared(scope: Scope, runs: int) -> Iterator[Upcoming]:
    """What is not in the database is shown as sync would make it."""
    specs = (spec for spec in scope.unsynced if scope.selection.concerns(spec))
    return (upcoming(row_of(spec, scope.now), None, scope.now, runs) for spec in specs)


def _portions_of(rows: ScheduleQuerySet) -> Iterator[list[Schedule]]:
    """By key, and without a cursor on the server, which does not outlive a statement behind a pooler."""
    rows = rows.order_by("pk")
    some = list(rows[:AT_A_TIME])
    while some:
        yield some
        some = list(rows.filter(pk__gt=some[-1].pk)[:AT_A_TIME]) if len(some) == AT_A_TIME else []
