"""The name, and so the identity, of a schedule that a call makes. Equal calls have one name, and others another."""

from __future__ import annotations

import json
from hashlib import sha256

from schedules.models import NAME_LENGTH
from schedules.spec import InvalidSchedule
from worker.messages.echo import printable
from worker.messages.expected import must_be


def call_name(task: str, arguments: str, key: object) -> str:
    """The task and its arguments, or the key instead of these.

    Raises InvalidSchedule.
    """
    if key is not None and not isinstance(key, str):
        raise InvalidSchedule(must_be(f"{task}(…): key", key, "a text"))
    name = printable(f"{task}{_written(arguments)}" if key is None else f"{task}#{key}")
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 18]}… {sha256(name.encode()).hexdigest()[:16]}"


def _written(arguments: str) -> str:
    """`[["eu"],{"deep":true}]` → `("eu", deep=true)`, as it would be written."""
    args, kwargs = json.loads(arguments)
    shown = [json.dumps(value, ensure_ascii=False) for value in args]
    shown += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in kwargs.items()]
    return f"({', '.join(shown)})"
