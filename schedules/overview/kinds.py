"""The distinct values of columns. The cost follows the number of values, and not the number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet


def values_of(rows: QuerySet[Any], column: str) -> Iterator[str]:
    """In their order, each found by one look at the column's index."""
    values = rows.order_by(column).values_list(column, flat=True)
    value = values.first()
    while value is not None:
        yield value
        value = values.filter(**{f"{column}__gt": value}).first()


def kinds_of(rows: QuerySet[Any], column: str, *others: str) -> Iterator[tuple[str, ...]]:
    """The different values of several columns, which are those of an index in its order."""
    for value in values_of(rows, column):
        if others:
            yield from ((value, *rest) for rest in kinds_of(rows.filter(**{column: value}), *others))
        else:
            yield (value,)
