"""Examines what stands in our tables: instants that are none, and in SQLite texts where a number belongs.

Nothing stands still for them. But what such a row says is not done, or not as somebody meant it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.models import QuerySet

from schedules.doctor.findings import MODELS, Case, Finding, Severity
from worker.instants import rows_of, unreadable_in

NEWEST = 10_000
"""Rows of a table that are looked at: history is long."""


def values(case: Case) -> Iterator[Finding]:
    found = [finding for model in MODELS for finding in _of(case, model)]
    yield from found or [Finding("values", Severity.OK, "What stands in our tables can be read.")]


def _of(case: Case, model: type[models.Model]) -> Iterator[Finding]:
    by_column: dict[str, list[Any]] = {}
    for key, columns in unreadable_in(_newest(rows_of(model, case.using))).items():
        for column in columns:
            by_column.setdefault(column, []).append(key)
    for column, keys in by_column.items():
        yield _finding(model._meta.db_table, column, keys)


def _newest(rows: QuerySet[Any]) -> QuerySet[Any]:
    last = rows.order_by("-pk").values_list("pk", flat=True)[NEWEST : NEWEST + 1].first()
    return rows if last is None else rows.filter(pk__gt=last)


def _finding(table: str, column: str, keys: list[Any]) -> Finding:
    first = min(keys, key=str)
    return Finding(
        "unreadable-values",
        Severity.ERROR,
        f"{table}.{column} has a value that is no instant or number.",
        {"table": table, "column": column, "rows": len(keys), "id": first},
        f"Put there what it should be: UPDATE {table} SET {column} = … WHERE id = {first};",  # noqa: S608  it is shown
    )
