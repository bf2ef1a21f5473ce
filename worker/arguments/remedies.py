"""What to write instead of an argument that is neither JSON nor a tagged value.

It knows classes of Django only by their names. It does not show a model instance or a query, because that could ask
the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from worker.messages.echo import echo, one_line

MODEL, QUERY, PROMISE = (
    ("django.db.models.base", "Model"),
    ("django.db.models.query", "QuerySet"),
    ("django.utils.functional", "Promise"),
)


def refusal(value: object, name: str) -> str:
    """What the value is, why it is refused, and what to write. `name`: of the argument, if it has one."""
    kind = _class_of(value)
    bases = {(base.__module__, base.__name__) for base in kind.__mro__}
    label = one_line(kind.__name__)
    if MODEL in bases:
        return (
            f"a model instance ({label}), whose row may have changed when the task runs. "
            f"Pass {name or label.lower()}.pk, and load it in the task: {label}.objects.get(pk=…)."
        )
    if QUERY in bases:
        model = one_line(getattr(getattr(value, "model", None), "__name__", "Model"))
        return (
            f"a query ({label}), which may find other rows when the task runs. Pass what it filters by; or pass "
            f'list({name or "query"}.values_list("pk", flat=True)), and load them in the task: '
            f"{model}.objects.filter(pk__in=…)."
        )
    told = f"{echo(value)} ({label})"
    if PROMISE in bases:
        return f"{told}, which is a lazy text: call str() on it first."
    return f"{told}, which is not JSON. {_instead(value, name)}"


def _class_of(value: object) -> type:
    """Of what it stands for, as the user of a request does for a row."""
    try:
        return value.__class__
    except Exception:  # noqa: BLE001  the class of the value is somebody else's
        return type(value)


def _instead(value: object, name: str) -> str:
    for kinds, instead in _INSTEAD:
        if issubclass(type(value), kinds):
            return instead(value, name or "value")
    return (
        "Pass strings, numbers, booleans, None, dates, times, timedelta, UUID, Decimal, lists and dictionaries with "
        "string keys; for a model, pass its primary key."
    )


def _of_member(member: Any, name: str) -> str:
    shade = one_line(type(member).__name__)
    if type(member.value) in (str, int):
        return f"Pass {name}.value, and write {shade}(…) in the task."
    return f"Pass {name}.name, and write {shade}[…] in the task."


def _of_bytes(value: object, name: str) -> str:
    return (
        f"Pass base64.b64encode({name}).decode(), and call base64.b64decode(…) in the task. Keep long data in a "
        "file or a row, and pass its name."
    )


def _of_instant(value: Any, name: str) -> str:
    if value.tzinfo is None:
        return f"It has fold=1 but no zone: pass {name}.replace(fold=0), or an aware datetime."
    return (
        "Its zone is neither a named one of zoneinfo nor an offset of whole seconds: "
        f"pass {name}.astimezone(datetime.timezone.utc)."
    )


def _of_time(value: time, name: str) -> str:
    return f"Pass {name}.replace(tzinfo=None, fold=0), and the name of its zone as another argument."


_INSTEAD: tuple[tuple[type | tuple[type, ...], Callable[[Any, str], str]], ...] = (
    (Enum, _of_member),
    ((bytes, bytearray, memoryview), _of_bytes),
    ((set, frozenset), lambda value, name: f"Pass sorted({name}), and call set(…) in the task."),
    (dict, lambda value, name: f"Its keys must be strings: pass {{str(key): each for key, each in {name}.items()}}."),
    ((float, Decimal), lambda value, name: "It is not a finite number: pass None, or a text."),
    (datetime, _of_instant),
    (time, _of_time),
)
