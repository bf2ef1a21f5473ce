"""The text of a statement that inserts jobs, and which of their values it is given.

A call inserts one job, and somebody may wait for it. What its statement looks like follows from which columns the job
has, so that is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import models

from worker.models import Job
from worker.values import NewJob

GIVEN = tuple(name for name in NewJob._fields if name not in ("run_at", "delay"))
"""Columns that enqueueing is given. When a job starts is told by `run_at` and `delay` together."""

NEW = "run_at, enqueued_at, attempts, interruptions, errors"
"""Those that it fills besides."""


class OneJob(NamedTuple):
    """How a job of some shape is inserted."""

    sql: str
    given: Callable[[NewJob], Sequence[Any]]
    """The parameters that it has for that."""
    has_instants: bool
    """Whether there are any among them."""


def shape_of(job: NewJob) -> tuple[bool, ...]:
    """Which of its values there are, and whether it starts later."""
    return (*[value is not None for value in job], job.run_at is not None or job.delay > 0)


@lru_cache(maxsize=1024)
def insertion_of_one(jobs: str, shape: Sequence[bool], later: str, now: str) -> OneJob:
    """`later`, `now`: SQL, as a dialect has it."""
    has = dict(zip(NewJob._fields, shape, strict=False))
    starts_later = shape[-1]
    columns = tuple(name for name in GIVEN if has[name])
    named = (*columns, "run_at", "delay") if starts_later else columns
    return OneJob(
        sql=insert_values(jobs, columns, later if starts_later else "", now, 1),
        given=itemgetter(*map(NewJob._fields.index, named)),
        has_instants=starts_later or not _INSTANTS.isdisjoint(columns),
    )


def columns_of(jobs: Sequence[NewJob]) -> tuple[dict[str, tuple[Any, ...]], tuple[str, ...]]:
    """The values of the jobs by their names, and which columns are given: not those that are None for all."""
    columns = dict(zip(NewJob._fields, zip(*jobs, strict=True), strict=True))
    given = (name for name in GIVEN if columns[name][0] is not None or columns[name].count(None) < len(jobs))
    return columns, tuple(given)


@lru_cache(maxsize=16)
def insert_values(jobs: str, given: Sequence[str], later: str, now: str, count: int) -> str:
    """SQL to insert so many jobs. Parameters: what is given of each, and `run_at` and `delay` if they start `later`."""
    start = f"COALESCE(%s, {later})" if later else now
    row = f"({'%s, ' * len(given)}{start}, {now}, 0, 0, '')"
    return f"INSERT INTO {jobs} ({', '.join(given)}, {NEW}) VALUES {', '.join([row] * count)}"


_INSTANTS = {field.column for field in Job._meta.concrete_fields if isinstance(field, models.DateTimeField)}
