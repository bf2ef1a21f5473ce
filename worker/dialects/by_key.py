"""A row by its key, as an instance of its model, in the same SQL for every database.

It is ours, since Django takes longer to compose a statement of so many columns than a database takes to answer it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeVar

from django.db import connections, models

from worker.dialects import dialect_of
from worker.dialects.words import table
from worker.instants import UNREADABLE, asked_again_after, rows_of, told_from_nothing

M = TypeVar("M", bound=models.Model)


def row_by_key(model: type[M], key: int, using: str) -> M | None:
    connection = connections[using]
    names, columns, instants = _columns(model, connection.vendor)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {table(connection, model)} WHERE id = %s", [key])
            found = cursor.fetchone()
        if found is None:
            return None
        values, instant = list(found), dialect_of(connection).words.instant
        for place, may_be_empty in instants:
            if not may_be_empty or values[place] is not None:
                values[place] = instant(values[place])
    except UNREADABLE as error:
        with asked_again_after(error):
            return rows_of(model, using).filter(pk=key).first()
    return model.from_db(using, names, values)


class _Columns(NamedTuple):
    names: list[str]
    sql: str
    instants: list[tuple[int, bool]]
    """At which places, and whether they may be empty."""


@lru_cache(maxsize=8)
def _columns(model: type[models.Model], vendor: str) -> _Columns:
    fields = model._meta.concrete_fields
    instants = {place: each.null for place, each in enumerate(fields) if isinstance(each, models.DateTimeField)}
    columns = [str(each.column) for each in fields]
    for place in (place for place, may_be_empty in instants.items() if may_be_empty):
        columns[place] = told_from_nothing(columns[place], vendor)
    return _Columns([each.attname for each in fields], ", ".join(columns), list(instants.items()))
