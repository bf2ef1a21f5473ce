"""What is ready, in the order in which a claim on PostgreSQL takes it: along an index, whatever the statistics say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.values import Wanted


def ready_in_order(jobs: str, wanted: Wanted) -> tuple[str, list[Any]]:
    """SQL for the ids of what is wanted in the table `jobs`, the most urgent first and locked; and its parameters."""
    conditions, params = _conditions(wanted)
    match wanted.queues:
        case []:
            ready = _of_all_queues(jobs, conditions)
            params = [*params, wanted.limit]
        case [name]:
            ready = _of_one_queue(jobs, conditions)
            params = [*params, name, name, wanted.limit]
        case names:
            ready = _of_several_queues(jobs, conditions)
            params = [[*names], *params, wanted.limit + _HELD_BY_OTHERS, wanted.limit]
    if wanted.beyond:
        ready = _stretch_by_stretch(ready)
        params = [*_stretches(wanted.beyond), *params, wanted.limit]
    return ready, params


def _conditions(wanted: Wanted) -> tuple[list[str], list[Any]]:
    """What is true of each job that is wanted, and the parameters."""
    conditions, params = ["state = 'ready'"], list[Any]()
    if wanted.without_tasks:
        conditions.append("task <> ALL(%s)")
        params.append([*wanted.without_tasks])
    if wanted.interrupted_below is not None:
        conditions.append("interruptions < %s")
        params.append(wanted.interrupted_below)
    if wanted.beyond:
        conditions += _IN_STRETCH
    return conditions, params


def _of_all_queues(jobs: str, conditions: Sequence[str]) -> str:
    """SQL for what is ready, the most urgent first, and locked. Last parameter: a limit."""
    return f"{_most_urgent(jobs, conditions)} FOR UPDATE SKIP LOCKED"


def _of_one_queue(jobs: str, conditions: Sequence[str]) -> str:
    """SQL for the same of one queue. Last parameters: the queue, twice, and a limit."""
    return f"{_most_urgent(jobs, [*conditions, *_in_queue('%s')])} FOR UPDATE SKIP LOCKED"


def _of_several_queues(jobs: str, conditions: Sequence[str]) -> str:
    """SQL for the same of several: the first of each queue by its index, and of those one by one, as long as wanted.

    First parameter: the queues; last: a limit for each, and one for all. The last look is by the primary key: what is
    said of the state there matches no index over what is ready.
    """
    return (
        "SELECT held.id FROM (SELECT first.* FROM unnest(%s::text[]) AS wanted(queue), "
        f"LATERAL ({_most_urgent(jobs, [*conditions, *_in_queue('wanted.queue')])}) AS first "
        "ORDER BY first.urgency, first.id) AS candidate, "
        f"LATERAL (SELECT id FROM {jobs} WHERE id = candidate.id AND state || '' = 'ready' FOR UPDATE SKIP LOCKED) "
        "AS held LIMIT %s"
    )


def _most_urgent(jobs: str, conditions: Sequence[str]) -> str:
    chosen = " AND ".join(conditions)
    return f"SELECT id, {_URGENCY} AS urgency FROM {jobs} WHERE {chosen} ORDER BY {_URGENCY}, id LIMIT %s"


def _in_queue(name: str) -> list[str]:
    """The second says nothing new, but only the index of queues can tell it.

    Else the planner might take the index of all queues, and for one that is empty walk through all others.
    """
    return [f"queue = {name}", f"(queue, {_URGENCY}) >= ({name}::text, {_FIRST})"]


def _stretch_by_stretch(ready: str) -> str:
    """SQL for the same in one stretch of the index after the other, as long as jobs are wanted.

    First parameters: the stretches; last: a limit for all.
    """
    return (
        "SELECT found.id FROM unnest(%s::integer[], %s::bigint[], %s::integer[]) AS stretch(urgency, mark, until), "
        f"LATERAL ({ready}) AS found LIMIT %s"
    )


def _stretches(beyond: Mapping[int, int]) -> tuple[list[int], list[int], list[int]]:
    """The index, cut at each priority that is marked: where a stretch begins, by urgency and id, and where it ends."""
    begins = [(_FIRST, 0), *sorted((-priority, mark) for priority, mark in beyond.items())]
    urgencies = [urgency for urgency, _ in begins]
    return urgencies, [mark for _, mark in begins], [*urgencies[1:], _LAST]


_URGENCY = "priority * -1"
"""What is most urgent comes first along the index (`StateIndex`); the primary key has no such order to offer."""
_FIRST, _LAST = -(2**15), 2**15 + 1
"""Around what it can be."""
_IN_STRETCH = (f"({_URGENCY}, id) >= (stretch.urgency, stretch.mark)", f"{_URGENCY} < stretch.until")
_HELD_BY_OTHERS = 1000
"""Jobs of a queue that others may be claiming at the same time; behind them there may be more."""
