"""What is no instant, or no number, and which columns may hold it: each with each, for tests of what comes of it."""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection, models

NO_INSTANTS = {
    "postgresql": ("infinity", "-infinity", "10000-01-01 00:00+00", "4713-01-01 00:00+00 BC"),
    "mysql": ("0000-00-00 00:00:00", "2024-00-10 00:00:00", "2024-02-31 00:00:00"),
    "sqlite": ("infinity", "-infinity", "2024-13-45 00:00:00", "", "10000-01-01 00:00:00", "7"),
}
NO_NUMBERS = {"sqlite": ("many", "")}

Model = type[models.Model]


class Spoilt(NamedTuple):
    """A column of a table, and what is to stand in it."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column} = {self.value!r}"


def spoilt(model: Model) -> list[Spoilt]:
    """Each column with each value that it may hold and nobody can read."""
    instants, numbers = (kinds.get(connection.vendor, ()) for kinds in (NO_INSTANTS, NO_NUMBERS))
    return [
        *(Spoilt(column, value) for column in instants_of(model) for value in instants),
        *(Spoilt(column, value) for column in _numbers_of(model) for value in numbers),
    ]


def instants_of(model: Model) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)]


def _numbers_of(model: Model) -> list[str]:
    fields = model._meta.concrete_fields
    return [field.name for field in fields if isinstance(field, models.IntegerField) and not field.primary_key]


def put(model: Model, id: int, spoilt: Spoilt) -> None:
    """As somebody would by hand."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET @before = @@sql_mode, SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute(f"UPDATE {model._meta.db_table} SET {spoilt.column} = %s WHERE id = %s", [spoilt.value, id])
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION sql_mode = @before")
