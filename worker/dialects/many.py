"""Statements on many rows of any table at once. Arrays carry them where the database has arrays.

It knows columns and values, and nothing of what they mean; what it is given is fit for its column.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.portions import portions
from worker.dialects.words import table
from worker.instants import written

ROWS = 500
"""In one statement, where it carries no arrays."""

Row = Sequence[Any]


class ManyRows:
    """In SQL that every database here understands."""

    def add(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row, rows: Sequence[Row]
    ) -> None:
        row = f"({', '.join(['%s'] * len(columns))})"
        values = _values(connection, model, columns, rows)
        with connection.cursor() as cursor:
            for some in portions(values, ROWS):
                cursor.execute(
                    f"{insertion(connection, model, columns)} VALUES {', '.join([row] * len(some))}",
                    [value for each in some for value in each],
                )

    def change(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row, rows: Sequence[Row]
    ) -> None:
        """Put the values into the rows that have the key, which is the first column."""
        key, *changed = _names(connection, columns)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {table(connection, model)} SET {', '.join(f'{column} = %s' for column in changed)} "
                f"WHERE {key} = %s",
                [(*row[1:], row[0]) for row in _values(connection, model, columns, rows)],
            )

    def remove(self, connection: BaseDatabaseWrapper, model: type[models.Model], keys: Sequence[int]) -> int:
        """Delete the rows with these keys. Returns how many there were.

        Without a signal, so that nobody who listens to those of all models sees, stops or multiplies our rows.
        """
        removed = 0
        with connection.cursor() as cursor:
            for theirs, params in self.among(connection, model, "id", keys):
                cursor.execute(f"DELETE FROM {table(connection, model)} WHERE {theirs}", params)
                removed += int(cursor.rowcount)
        return removed

    def among(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], column: str, values: Sequence[Any]
    ) -> Iterator[tuple[str, list[Any]]]:
        """Conditions and their parameters, each for a statement of its own: the column has one of these values.

        MariaDB makes a join of a list of a thousand, and may then read the whole table.
        """
        for some in portions(values, ROWS):
            yield f"{column} IN ({', '.join(['%s'] * len(some))})", [*some]


class ManyRowsByJson(ManyRows):
    """MySQL: a statement for each row would be a round trip for each, and its driver takes long over many values."""

    def add(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row, rows: Sequence[Row]
    ) -> None:
        with connection.cursor() as cursor:
            for some in portions(rows, ROWS):
                given, source, as_text = as_json(dict(zip(columns, zip(*some, strict=True), strict=True)))
                cursor.execute(
                    f"{insertion(connection, model, columns)} SELECT {', '.join(sql for sql, _ in given.values())} "
                    f"FROM {source}",
                    [*(value for _, values in given.values() for value in values), as_text],
                )

    def change(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row, rows: Sequence[Row]
    ) -> None:
        own = table(connection, model)
        with connection.cursor() as cursor:
            for some in portions(rows, ROWS):
                columns_of_some = dict(zip(columns, zip(*some, strict=True), strict=True))
                given, source, as_text = as_json(columns_of_some, key=columns[0])
                (key, _), *changed = given.values()
                changes = zip(_names(connection, columns[1:]), changed, strict=True)
                cursor.execute(
                    f"UPDATE {source} STRAIGHT_JOIN {own} FORCE INDEX (PRIMARY) "
                    f"ON {own}.{_names(connection, columns[:1])[0]} = {key} "
                    f"SET {', '.join(f'{own}.{column} = {value}' for column, (value, _) in changes)}",
                    [as_text, *(value for _, values in changed for value in values)],
                )


class ManyRowsByArrays(ManyRows):
    """PostgreSQL: one statement for any number of rows."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[type[models.Model], Row], dict[str, str]] = {}

    def kinds_of(self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row) -> dict[str, str]:
        """The type of each column without its length, which would cut what is too long, where it is to be refused."""
        if (kinds := self._kinds.get((model, columns))) is None:
            types = {field.column: field.db_type(connection) or "" for field in model._meta.concrete_fields}
            self._kinds[model, columns] = kinds = {column: types[column].partition("(")[0] for column in columns}
        return kinds

    def add(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row, rows: Sequence[Row]
    ) -> None:
        if rows:
            source, params = as_table(self.kinds_of(connection, model, columns), list(zip(*rows, strict=True)))
            with connection.cursor() as cursor:
                cursor.execute(
                    f"{insertion(connection, model, columns)} SELECT {', '.join(columns)} FROM {source}", params
                )

    def change(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row, rows: Sequence[Row]
    ) -> None:
        if rows:
            source, params = as_table(self.kinds_of(connection, model, columns), list(zip(*rows, strict=True)))
            key, *changed = columns
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE {table(connection, model)} AS changed "
                    f"SET {', '.join(f'{column} = given.{column}' for column in changed)} "
                    f"FROM {source} WHERE changed.{key} = given.{key}",
                    params,
                )

    def among(
        self, connection: BaseDatabaseWrapper, model: type[models.Model], column: str, values: Sequence[Any]
    ) -> Iterator[tuple[str, list[Any]]]:
        if values:
            array, param = _as_array(self.kinds_of(connection, model, (column,))[column], values)
            yield f"{column} = ANY({array})", [param]


def as_json(columns: Mapping[str, Row], key: str | None = None) -> tuple[dict[str, tuple[str, list[Any]]], str, str]:
    """By column, SQL and parameters for its value in each row; SQL for the rows, in order of `place`; its parameter.

    What all rows have in common is sent once, but for the `key`. The rest is text, so that the column refuses what is
    not fit for it: JSON_TABLE would make NULL of that.
    """
    common = {name for name, values in columns.items() if name != key and values.count(values[0]) == len(values)}
    varying = [name for name in columns if name not in common]
    kinds = ["bigint" if name == key else "longtext" for name in varying]
    paths = "".join(f", c{place} {kind} PATH '$[{place}]'" for place, kind in enumerate(kinds))
    given = {
        name: ("%s", _as_texts(values[:1])) if name in common else (f"given.c{varying.index(name)}", list[Any]())
        for name, values in columns.items()
    }
    count = len(next(iter(columns.values())))
    rows = zip(*(_as_texts(columns[name]) for name in varying), strict=True) if varying else [()] * count
    source = f"JSON_TABLE(%s, '$[*]' COLUMNS (place FOR ORDINALITY{paths})) AS given"
    return given, source, json.dumps([*rows])


def _as_texts(values: Row) -> list[Any]:
    """Instants and flags as JSON takes them and MySQL reads them. Each is written once: rows due at once share many."""
    if not any(issubclass(kind, datetime | bool) for kind in set(map(type, values))):
        return list(values)
    texts = {value: _as_text(value) for value in set(values)}
    return [texts[value] for value in values]


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return written(value, "mysql")
    return int(value) if isinstance(value, bool) else value


def as_table(kinds: Mapping[str, str], columns: Sequence[Row], compared: Collection[str] = ()) -> tuple[str, list[Any]]:
    """SQL and parameters for columns as a subquery, whose rows are in order of its column `place`.

    What all rows have in common is sent once, the rest as arrays: a column costs a third of a microsecond a row. But
    never a column that is `compared`: the planner would look the one value up in its statistics, find that no row has
    it, and read the whole table for that row.
    """
    shared: list[Any] = []
    arrays: list[Any] = []
    selected: list[str] = []
    varying: list[str] = []
    unnested: list[str] = []
    for (name, kind), values in zip(kinds.items(), columns, strict=True):
        if name not in compared and values.count(values[0]) == len(values):
            shared.append(values[0])
            selected.append(f"%s::{kind} AS {name}")
        else:
            array, param = _as_array(kind, values)
            arrays.append(param)
            varying.append(name)
            unnested.append(array)
    if arrays:
        source = f"unnest({', '.join(unnested)}) WITH ORDINALITY AS varying({', '.join(varying)}, place)"
    else:
        source = f"generate_series(1, {len(columns[0])}) AS place"
    return f"(SELECT {', '.join([*selected, *varying, 'place'])} FROM {source}) AS given", [*shared, *arrays]


def _as_array(kind: str, values: Row) -> tuple[str, Any]:
    """SQL and parameter. Lines travel as one text: quoting them one by one, as an array, takes five times as long."""
    if kind in ("text", "varchar") and None not in values:
        lines = "\n".join(values)
        if lines.count("\n") == len(values) - 1:
            return f"string_to_array(%s, E'\\n')::{kind}[]", lines
    return f"%b::{kind}[]", list(values)


def _values(connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row, rows: Sequence[Row]) -> list[Row]:
    """The rows with their instants as the database takes them."""
    fields = {field.column: field for field in model._meta.concrete_fields}
    dated = [isinstance(fields[column], models.DateTimeField) for column in columns]

    def adapted(value: Any, is_dated: bool) -> Any:
        return written(value, connection.vendor) if is_dated and value is not None else value

    return [tuple(map(adapted, row, dated)) for row in rows]


def insertion(connection: BaseDatabaseWrapper, model: type[models.Model], columns: Row) -> str:
    """How a statement begins that inserts these columns."""
    return f"INSERT INTO {table(connection, model)} ({', '.join(_names(connection, columns))})"


def _names(connection: BaseDatabaseWrapper, columns: Row) -> list[str]:
    return [connection.ops.quote_name(column) for column in columns]
