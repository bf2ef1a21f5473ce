"""Refuse flags that have no effect beside another one: a person who gives one expects an effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError


def refuse_ignored(options: Mapping[str, Any], ignored: Sequence[str], *, beside: str, why: str) -> None:
    """`options`: of a command; `ignored`: names of those that do nothing with the flag `beside`, which says why.

    Raises `CommandError` if one of them was given.
    """
    given = [f"--{name.replace('_', '-')}" for name in ignored if options[name]]
    if given:
        flags = " and ".join(filter(None, [", ".join(given[:-1]), given[-1]]))
        does = "does" if len(given) == 1 else "do"
        raise CommandError(f"{flags} {does} nothing beside {beside}, which {why}. Leave out one or the other.")
