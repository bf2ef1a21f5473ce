"""Examines the values in our tables: instants that cannot be read, and in SQLite text in place of a number.

Such a value stops nothing else. But its own row is not done, or not as it was meant.
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
    yield from found or [Finding("values", Severity.OK, "All values in Carillon's tables can be read.")]


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
        f"{table}.{column} has a value that is not an instant or a number.",
        {"table": table, "column": column, "rows": len(keys), "id": first},
        f"Write the correct value there: UPDATE {table} SET {column} = … WHERE id = {first};",  # noqa: S608  it is shown
    )
