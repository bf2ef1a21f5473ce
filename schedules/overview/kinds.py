"""Which different values a column has. What it costs is how many those are, and not how many rows there are."""

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
