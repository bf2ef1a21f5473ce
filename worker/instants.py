"""Columns of instants: aware and in UTC, whatever the project's settings, and readable whatever their values are.

With `USE_TZ = False`, Django would give and take naive datetimes. With `DATABASES[…]["TIME_ZONE"]`, it would store them
in another zone. Here the two instants of an hour that the clock repeats stay apart, and our SQL and Django's agree.

One row must not stop the others. PostgreSQL stores infinity and years that Python does not have, MySQL a month or year
of zero, SQLite any text. Reading one of these raises, and the whole statement fails. Then the statement is sent again,
and a value that is not an instant is read as the first or last of all. Statements that do not fail cost nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DatabaseError, DataError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""What is no instant is read as one of these. A day from the ends of time, for the zones."""

UNREADABLE = (DataError, ValueError, OverflowError, TypeError, AttributeError)
"""What reading raises, by database and by what stands there."""


M = TypeVar("M", bound=models.Model)


class _InstantField(models.DateTimeField):  # type: ignore[type-arg]
    def deconstruct(self) -> Any:
        """To migrations it is as any other."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        value = value if prepared else self.get_prep_value(value)
        if not isinstance(value, datetime):
            return super().get_db_prep_value(value, connection, prepared=True)
        return written(value if value.tzinfo else timezone.make_aware(value), connection.vendor)

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        """SQLite and MySQL give nothing for what is no instant, where PostgreSQL raises."""
        converters = super().get_db_converters(connection)
        if connection.timezone is not UTC:
            converters.append(_converted)
        return converters if connection.vendor == "postgresql" or self.null else [*converters, _given]

    def select_format(self, compiler: SQLCompiler, sql: str, params: Any) -> tuple[str, Any]:
        """What may be empty is told from what is no instant, but where rows are sorted by it, for the index."""
        vendor = compiler.connection.vendor
        if _leniently.get():
            selected = in_bounds(sql, vendor)
        elif vendor != "postgresql" and self.null and not _is_sorted_by(compiler, self.name):
            selected = told_from_nothing(sql, vendor)
        else:
            return sql, params
        return selected, (*params,) * selected.count(sql)


def _is_sorted_by(compiler: SQLCompiler, name: str) -> bool:
    """Django sorts by the place of what is selected, and no index has the order of an expression."""
    sorted_by = (getattr(each, "expression", each) for each in compiler.query.order_by)
    return any(getattr(each, "name", str(each)).lstrip("-") == name for each in sorted_by)


def written(instant: datetime, vendor: str) -> Any:
    """An aware instant as the database takes it. PostgreSQL's own type knows of zones; the others keep UTC."""
    return instant if vendor == "postgresql" else str(instant.astimezone(UTC).replace(tzinfo=None))


def read(value: datetime, vendor: str) -> datetime:
    """An instant as the driver, or Django, gave it → aware, UTC.

    Under `USE_TZ = False` PostgreSQL's sessions have the zone of the project, and Django cuts it off. Of an hour that
    comes twice, the fold tells which.
    """
    if vendor != "postgresql":
        return value.replace(tzinfo=UTC)
    if value.tzinfo is UTC:  # as nearly all are
        return value
    aware = value if value.tzinfo else value.replace(tzinfo=timezone.get_default_timezone())
    return aware.astimezone(UTC)


def in_bounds(sql: str, vendor: str) -> str:
    """SQL for an instant that can be read: what is none is FIRST or LAST."""
    first, last = (f"'{bound.date().isoformat()} 00:00:00'" for bound in (FIRST, LAST))
    match vendor:
        case "postgresql":
            return f"CASE WHEN {sql} > {last} THEN {last} WHEN {sql} < {first} THEN {first} ELSE {sql} END"
        case "mysql":
            return f"IFNULL({sql} + INTERVAL 0 SECOND, IF({sql} IS NULL, NULL, TIMESTAMP{first}))"
        case _:
            return (
                f"CASE WHEN {sql} IS NULL OR strftime('%%Y-%%m-%%d', {sql}) = substr({sql}, 1, 10) THEN {sql} "
                f"WHEN {sql} > '9999' THEN {last} ELSE {first} END"
            )


def told_from_nothing(sql: str, vendor: str) -> str:
    """SQL for an instant that may be empty: reading raises for what is none, or it is FIRST or LAST."""
    match vendor:
        case "mysql":
            return in_bounds(sql, vendor)
        case "sqlite":  # of an expression its driver gives the text, of a column nothing where it is no instant
            return f"+{sql}"
        case _:
            return sql


class NoInstant(models.Func):
    """SQL: something stands in that column, and it is no instant that can be read. To be asked in a SELECT only.

    By no index: whoever asks all the time compares with FIRST and LAST.
    """

    output_field = models.BooleanField()

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, Any]:  # type: ignore[override]  # it takes no template
        first, last = (f"'{bound.date().isoformat()} 00:00:00'" for bound in (FIRST, LAST))
        it = "%(expressions)s"
        match connection.vendor:
            case "postgresql":
                astray = f"({it} <= {first} OR {it} >= {last})"
            case "mysql":
                astray = f"({it} >= TIMESTAMP{last} OR {it} IS NOT NULL AND {it} + INTERVAL 0 SECOND IS NULL)"
            case _:
                is_dated = f"strftime('%%%%Y-%%%%m-%%%%d', {it}) = substr({it}, 1, 10)"
                astray = f"({it} IS NOT NULL AND ({is_dated}) IS NOT 1 OR {it} >= {last})"
        return super().as_sql(compiler, connection, template=astray)


class NoNumber(models.Func):
    """The same of numbers. SQLite alone keeps something else in their columns."""

    template = "typeof(%(expressions)s) NOT IN ('integer', 'null')"
    output_field = models.BooleanField()


def unreadable_in(rows: models.QuerySet[Any]) -> dict[Any, list[str]]:
    """Of those rows of which something cannot be read, which columns, by their keys. It looks at each of the rows."""
    fields = rows.model._meta.concrete_fields
    wrong: dict[str, models.Func] = {
        field.attname: NoInstant(models.F(field.attname)) for field in fields if isinstance(field, models.DateTimeField)
    }
    if connections[rows.db].vendor == "sqlite":
        numbers = (models.IntegerField, models.ForeignKey)
        wrong |= {field.attname: NoNumber(models.F(field.attname)) for field in fields if isinstance(field, numbers)}
    told = rows.annotate(**{f"no_{name}": is_wrong for name, is_wrong in wrong.items()})
    found = told.filter(reduce(or_, map(models.Q, wrong.values()))).values_list("pk", *(f"no_{name}" for name in wrong))
    return {key: [name for name, is_wrong in zip(wrong, flags, strict=True) if is_wrong] for key, *flags in found}


def _converted(value: datetime | None, _: Any, connection: BaseDatabaseWrapper) -> datetime | None:
    return None if value is None else read(value, connection.vendor)


def _given(value: Any, *_: Any) -> Any:
    if value is None and not _leniently.get():
        raise ValueError("A column that is never empty holds no instant.")
    return value


if TYPE_CHECKING:
    InstantField = models.DateTimeField
else:
    InstantField = _InstantField


class LenientQuerySet(models.QuerySet[M]):
    """Asks again where what it read could not be read."""

    def _fetch_all(self) -> None:
        try:
            super()._fetch_all()
        except UNREADABLE as error:
            with asked_again_after(error):
                self._result_cache = None
                super()._fetch_all()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return super().aggregate(*args, **kwargs)
        except UNREADABLE as error:
            with asked_again_after(error):
                return super().aggregate(*args, **kwargs)


LenientManager = models.Manager.from_queryset(LenientQuerySet)


def rows_of(model: type[M], using: str | None) -> models.QuerySet[M]:
    """All of them, whatever the managers of the model say."""
    return LenientQuerySet(model, using=using)


@contextmanager
def leniently() -> Iterator[None]:
    """In this block what is no instant is read as FIRST or LAST."""
    token = _leniently.set(True)
    try:
        yield
    finally:
        _leniently.reset(token)


@contextmanager
def asked_again_after(error: Exception) -> Iterator[None]:
    """Around what asks again after what it read could not be read. Raises that error where it is not about that."""
    if _leniently.get():
        raise error
    try:
        with leniently():
            yield
    except (*UNREADABLE, DatabaseError):
        raise error from None


def is_real(instant: datetime) -> bool:
    return FIRST < instant < LAST


_leniently: ContextVar[bool] = ContextVar("leniently", default=False)
