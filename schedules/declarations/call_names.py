"""The two names of a schedule that a call makes: one identifies it, and one is shown.

Equal calls have equal names, and different calls different ones. The shown name contains no secret arguments.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.utils.encoding import force_bytes

from schedules.models import NAME_LENGTH
from schedules.spec import InvalidSchedule
from worker import masking
from worker.messages.echo import printable
from worker.messages.expected import must_be
from worker.options import options as project_options


def call_name(task: str, arguments: str, key: object) -> str:
    """The task and its arguments, or the key instead of these.

    Raises InvalidSchedule.
    """
    if key is not None and not isinstance(key, str):
        raise InvalidSchedule(must_be(f"{task}(…): key", key, "a text"))
    name = printable(f"{task}{_written(*json.loads(arguments))}" if key is None else f"{task}#{key}")
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 18]}… {sha256(name.encode()).hexdigest()[:16]}"


def shown_name(call: str, task: str, arguments: str) -> str:
    """The name of a call without a key, without the values that are hidden wherever arguments are shown.

    An ending tells the calls apart that differ in what is hidden. It is made with the project's SECRET_KEY, so nobody
    learns from it whether a guess is right. What makes the schedule the same is none of it, so both may change. Where
    SCHEDULER["CODEC"] encodes arguments, all of them are hidden, since a name is stored as it is.
    """
    hides_all = project_options().CODEC is not None
    given: tuple[list[Any], dict[str, Any]] = tuple(json.loads(arguments))
    shown = masking.arguments(task, *given)
    if shown == given and not hides_all:
        return call
    keyed = hmac.new(force_bytes(settings.SECRET_KEY), f"schedules.shown_name {task} {arguments}".encode(), sha256)
    ending = f" ~{keyed.hexdigest()[:16]}"
    return (
        f"{printable(f'{task}(…)' if hides_all else f'{task}{_written(*shown)}')[: NAME_LENGTH - len(ending)]}{ending}"
    )


def _written(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """As it would be written: `("eu", deep=true)`."""
    shown = [json.dumps(value, ensure_ascii=False) for value in args]
    shown += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in kwargs.items()]
    return f"({', '.join(shown)})"
