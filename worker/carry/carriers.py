"""The carriers that `settings.SCHEDULER["CARRY"]` lists, by their keys; and what is wrong with an entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Protocol

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from worker.messages.echo import echo, quoted
from worker.named_objects import Unusable, named
from worker.options import options

LONGEST_KEY = 100
"""Characters."""
_METHODS = ("capture", "restore")


class CarrierFailed(Exception):
    """A carrier of SCHEDULER["CARRY"] raised: what a call should carry is not known, or a run could not be given it."""

    __module__ = "worker.api"


class Carrier(Protocol):
    """It may have a `key`, under which its values are stored, instead of the dotted path of its class."""

    def capture(self) -> Any:
        """What a job is to carry from here, in values that arguments may have. None: nothing."""

    def restore(self, value: Any) -> AbstractContextManager[object]:
        """A block in which that holds again."""


def carriers() -> Mapping[str, Carrier]:
    """By their keys, in their order. Raises ImproperlyConfigured where an entry cannot be one."""
    return _carriers()


def problems() -> Iterator[str]:
    """What is wrong with the entries, one sentence each."""
    return (said for said in _read({}) if said)


@lru_cache(maxsize=1)
def _carriers() -> Mapping[str, Carrier]:
    found: dict[str, Carrier] = {}
    for fault in _read(found):
        raise ImproperlyConfigured(fault)
    return found


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "SCHEDULER":
        _carriers.cache_clear()


setting_changed.connect(_forget)


def _read(found: dict[str, Carrier]) -> Iterator[str]:
    """Into `found` what can be used; the faults of all else."""
    for place, entry in enumerate(options().CARRY):
        where = f'SCHEDULER["CARRY"][{place}]'
        try:
            carrier = _carrier(entry)
            key = _key_of(carrier)
        except Unusable as fault:
            yield f"{where}: {fault}"
            continue
        if key in found:
            yield f"{where}: the key {quoted(key)} is taken by an entry before it. Take one of them out."
        found.setdefault(key, carrier)


def _carrier(entry: object) -> Carrier:
    return named(entry, "a carrier has capture() and restore(value)", _METHODS, _SHIPPED)  # type: ignore[no-any-return]


def _key_of(carrier: object) -> str:
    kind = type(carrier)
    key = getattr(carrier, "key", None) or f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(key, str) and len(key) <= LONGEST_KEY and key.isprintable():
        return key
    raise Unusable(
        f"{echo(carrier)} has the key {echo(key)}, but must have a text of 1 to {LONGEST_KEY} printable characters."
    )


_SHIPPED = ("worker.carry.Language", "worker.carry.TimeZone", "worker.carry.OpenTelemetry")
