"""The newest jobs that match, in the queue and in history. It reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest
from operator import attrgetter

from worker.handles.filters import Filters, Table
from worker.instants import rows_of
from worker.models import FinishedJob, Job

_LONG: dict[Table, tuple[str, ...]] = {
    Job: ("arguments", "errors"),
    FinishedJob: ("arguments", "errors", "result_text"),
}
"""Texts that no list shows, and of which each may be long."""


def newest(filters: Filters, most: int, using: str) -> list[Job | FinishedJob]:
    """So many, the newest first. No job is there twice, though one may end while they are read."""
    found = {row.pk: row for row in _newest_of_each(filters, most, using)}  # history comes last, and is later
    return nlargest(most, found.values(), key=attrgetter("pk"))


def _newest_of_each(filters: Filters, most: int, using: str) -> Iterator[Job | FinishedJob]:
    for model, long in _LONG.items():
        for rows in filters.of(rows_of(model, using)):
            yield from rows.order_by("-pk").defer(*long)[:most]
