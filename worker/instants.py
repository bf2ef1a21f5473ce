"""Columns of instants that can be read whatever stands in them: one row must not stop the others.

PostgreSQL keeps infinity and years that Python has not, MySQL a month or a year of zero, SQLite any text. Reading
those raises, and with them whatever was asked for in the same statement. It is then asked again, and what is no instant
is read as the first or last of all. Nobody pays for that who reads what can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DatabaseError, DataError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

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

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        """SQLite and MySQL give nothing for what is no instant, where PostgreSQL raises."""
        converters = super().get_db_converters(connection)
        if connection.vendor == "postgresql" or self.null:
            return converters
        return [*converters, _given]

    def select_format(self, compiler: SQLCompiler, sql: str, params: Any) -> tuple[str, Any]:
        if not _leniently.get():
            return sql, params
        first, last = (f"'{bound.date().isoformat()} 00:00:00'" for bound in (FIRST, LAST))
        match compiler.connection.vendor:
            case "postgresql":
                lenient = f"CASE WHEN {sql} > {last} THEN {last} WHEN {sql} < {first} THEN {first} ELSE {sql} END"
            case "mysql":
                lenient = f"CASE WHEN {sql} < TIMESTAMP{first} THEN TIMESTAMP{first} ELSE {sql} END"
            case _:
                lenient = (
                    f"CASE WHEN {sql} IS NULL OR strftime('%%Y-%%m-%%d', {sql}) = substr({sql}, 1, 10) THEN {sql} "
                    f"WHEN {sql} > '9999' THEN {last} ELSE {first} END"
                )
        return lenient, (*params,) * lenient.count(sql)


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
            with self._again_after(error):
                self._result_cache = None
                super()._fetch_all()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return super().aggregate(*args, **kwargs)
        except UNREADABLE as error:
            with self._again_after(error):
                return super().aggregate(*args, **kwargs)

    @contextmanager
    def _again_after(self, error: Exception) -> Iterator[None]:
        """Raises that error where it is not about what was read."""
        if _leniently.get():
            raise error
        try:
            with leniently():
                yield
        except (*UNREADABLE, DatabaseError):
            raise error from None


LenientManager = models.Manager.from_queryset(LenientQuerySet)


@contextmanager
def leniently() -> Iterator[None]:
    """In this block what is no instant is read as FIRST or LAST."""
    token = _leniently.set(True)
    try:
        yield
    finally:
        _leniently.reset(token)


def is_real(instant: datetime) -> bool:
    return FIRST < instant < LAST


_leniently: ContextVar[bool] = ContextVar("leniently", default=False)
