"""Indexes over the rows that are looked for: partial where the database can, else over all rows.

Only speed rests on them, never a guarantee; but on MySQL a claim names the one it wants.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models import F, Index, Model, Q
from django.db.models.expressions import CombinedExpression


class StateIndex(Index):
    """`StateIndex(state="ready", fields=["queue", "id"])` serves queries that ask for that state.

    PostgreSQL and SQLite index only those rows. MySQL has no partial indexes, so there the state becomes
    the first column. On PostgreSQL a falling column is indexed by its negative, so that the beginning of a stretch can
    be named: `(priority * -1, id) >= (…)`.
    """

    def __init__(self, *, state: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state = state

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "state": self.state}

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        name = self.name
        if schema_editor.connection.vendor == "postgresql":
            plain = Index(*map(_rising, self.fields), name=name, condition=Q(state=self.state))
        elif schema_editor.connection.features.supports_partial_indexes:
            plain = Index(fields=self.fields, name=name, condition=Q(state=self.state))
        else:
            plain = Index(fields=["state", *self.fields], name=name)
        return plain.create_sql(model, schema_editor, using, **kwargs)


class GivenIndex(Index):
    """Serves queries by the value of its first column, which most rows do not have.

    Each change of a job's state writes a line into every index that holds its row; this one does not hold it.
    `opclasses` are PostgreSQL's: texts that are asked for, and never sorted, need not be compared by its locale.
    """

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        partial = schema_editor.connection.features.supports_partial_indexes
        given = Q(**{f"{self.fields[0]}__isnull": False}) if partial else None
        plain = Index(fields=self.fields, name=self.name, condition=given, opclasses=self.opclasses)
        return plain.create_sql(model, schema_editor, using, **kwargs)


class SteadyIndex(Index):
    """Serves queries by columns that keep their values through most updates, of the rows that have a value in `given`.

    PostgreSQL enters each new version of a row into each index that holds it, and MySQL leaves an entry alone whose
    values stay. SQLite takes it out and puts it in again, so there it holds no row: what is on one machine can be read.
    """

    def __init__(self, *, given: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.given = given

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "given": self.given}

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        held = {
            "postgresql": Q(**{f"{self.given}__isnull": False}),
            "sqlite": Q(id__isnull=True),
        }
        plain = Index(fields=self.fields, name=self.name, condition=held.get(schema_editor.connection.vendor))
        return plain.create_sql(model, schema_editor, using, **kwargs)


def _rising(field: str) -> F | CombinedExpression:
    return -F(field[1:]) if field.startswith("-") else F(field)
