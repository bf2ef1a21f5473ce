"""Where it stands in a row what its job carries: in the column `task_options`, under a key of its own.

Options are compared and kept without it: it is no part of what a schedule or a task says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

KEY = "carried"
_SIGN = f'"{KEY}"'


def with_carried(options: str | None, carried: str | None) -> str | None:
    """The text of `options` and what is carried besides. Both are JSON objects, or None."""
    if carried is None:
        return options
    return f"{{{_SIGN}: {carried}{'}' if options in (None, '{}') else f', {options[1:]}'}"


def options_alone(text: str | None) -> str | None:
    """The same text as it would be if nothing was carried. What cannot be read stays as it is."""
    return text if text is None or _SIGN not in text else _parted(text)[0]


def carried_in(text: str | None) -> Mapping[str, Any]:
    """By the keys of the carriers, what is carried, in the values that JSON has.

    Raises ValueError or TypeError for what was not written here.
    """
    if text is None or _SIGN not in text:
        return {}
    carried = _parted(text)[1]
    if isinstance(carried, dict):
        return carried
    raise TypeError(f'task_options["{KEY}"] is {str(carried)[:100]}, but must be a JSON object.')


def kept(options: str | None, before: str | None) -> str | None:
    """These options, with what a row carried before."""
    carried = carried_in(before)
    return with_carried(options, json.dumps(carried) if carried else None)


@lru_cache(maxsize=64)
def _parted(text: str) -> tuple[str | None, Any]:
    """A job is asked several times while it runs."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return text, {}
    if not isinstance(told, dict) or KEY not in told:
        return text, {}
    carried = told.pop(KEY)
    return json.dumps(told, sort_keys=True) if told else None, carried
