"""Indexes over the rows that are looked for: partial where the database can, else over all rows.

Only speed rests on them, never a guarantee; but on MySQL a claim names the one it wants.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Serves queries by columns of which some, `rewritten`, are written again and again with the value that they have.

    PostgreSQL enters each new version of a row into each index anyway, and MySQL leaves alone what stays the same.
    SQLite would take it out and put it in again, so there the index is without those columns.
    """

    def __init__(self, *, rewritten: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rewritten = rewritten

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "rewritten": self.rewritten}

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Statement:
        left_out = self.rewritten if schema_editor.connection.vendor == "sqlite" else ()
        plain = Index(fields=[field for field in self.fields if field not in left_out], name=self.name)
        return plain.create_sql(model, schema_editor, using, **kwargs)


def _rising(field: str) -> F | CombinedExpression:
    return -F(field[1:]) if field.startswith("-") else F(field)
