"""What to write instead of an argument, or of what a task returns, that is neither JSON nor a tagged value.

It knows classes of Django only by their names. It does not show a model instance or a query, because that could ask
the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from worker.messages.echo import echo, one_line

MODEL, QUERY, PROMISE = (
    ("django.db.models.base", "Model"),
    ("django.db.models.query", "QuerySet"),
    ("django.utils.functional", "Promise"),
)


class Way(NamedTuple):
    """How a value goes to whoever reads it, in words."""

    verb: str
    reader: str
    when: str
    where: str
    beside: str

    @property
    def imperative(self) -> str:
        return self.verb.capitalize()


PASSED = Way("pass", "the task", "when the task runs", "in the task", "as another argument")
RETURNED = Way("return", "whoever reads it", "when it is read", "where it is read", "with it")


def refusal(value: object, name: str, way: Way = PASSED) -> str:
    """What the value is, why it is refused, and what to write. `name`: of the argument, if it has one."""
    kind = _class_of(value)
    bases = {(base.__module__, base.__name__) for base in kind.__mro__}
    label = one_line(kind.__name__)
    if MODEL in bases:
        return (
            f"a model instance ({label}), whose row may have changed {way.when}. "
            f"{way.imperative} {name or label.lower()}.pk, and load it {way.where}: {label}.objects.get(pk=…)."
        )
    if QUERY in bases:
        model = one_line(getattr(getattr(value, "model", None), "__name__", "Model"))
        return (
            f"a query ({label}), which may find other rows {way.when}. {way.imperative} what it filters by; or "
            f'{way.verb} list({name or "query"}.values_list("pk", flat=True)), and load them {way.where}: '
            f"{model}.objects.filter(pk__in=…)."
        )
    told = f"{echo(value)} ({label})"
    if PROMISE in bases:
        return f"{told}, which is a lazy text: call str() on it first."
    return f"{told}, which is not JSON. {_instead(value, name, way)}"


def _class_of(value: object) -> type:
    """Of what it stands for, as the user of a request does for a row."""
    try:
        return value.__class__
    except Exception:  # noqa: BLE001  the class of the value is somebody else's
        return type(value)


def _instead(value: object, name: str, way: Way) -> str:
    for kinds, instead in _INSTEAD:
        if issubclass(type(value), kinds):
            return instead(value, name or "value", way)
    return (
        f"{way.imperative} strings, numbers, booleans, None, dates, times, timedelta, UUID, Decimal, lists and "
        f"dictionaries with string keys; for a model, {way.verb} its primary key."
    )


def _of_member(member: Any, name: str, way: Way) -> str:
    shade = one_line(type(member).__name__)
    if type(member.value) in (str, int):
        return f"{way.imperative} {name}.value, and write {shade}(…) {way.where}."
    return f"{way.imperative} {name}.name, and write {shade}[…] {way.where}."


def _of_bytes(value: object, name: str, way: Way) -> str:
    return (
        f"{way.imperative} base64.b64encode({name}).decode(), and call base64.b64decode(…) {way.where}. Keep long data "
        f"in a file or a row, and {way.verb} its name."
    )


def _of_set(value: object, name: str, way: Way) -> str:
    return f"{way.imperative} sorted({name}), and call set(…) {way.where}."


def _of_dict(value: object, name: str, way: Way) -> str:
    return f"Its keys must be strings: {way.verb} {{str(key): each for key, each in {name}.items()}}."


def _of_number(value: object, name: str, way: Way) -> str:
    return f"It is not a finite number: {way.verb} None, or a text."


def _of_instant(value: Any, name: str, way: Way) -> str:
    if value.tzinfo is None:
        return f"It has fold=1 but no zone: {way.verb} {name}.replace(fold=0), or an aware datetime."
    return (
        "Its zone is neither a named one of zoneinfo nor an offset of whole seconds: "
        f"{way.verb} {name}.astimezone(datetime.timezone.utc)."
    )


def _of_time(value: time, name: str, way: Way) -> str:
    return f"{way.imperative} {name}.replace(tzinfo=None, fold=0), and the name of its zone {way.beside}."


_INSTEAD: tuple[tuple[type | tuple[type, ...], Callable[[Any, str, Way], str]], ...] = (
    (Enum, _of_member),
    ((bytes, bytearray, memoryview), _of_bytes),
    ((set, frozenset), _of_set),
    (dict, _of_dict),
    ((float, Decimal), _of_number),
    (datetime, _of_instant),
    (time, _of_time),
)
