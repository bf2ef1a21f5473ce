"""The project's codec (`SCHEDULER["CODEC"]`): arguments and results, encoded before they are stored, and decoded again.

A text that it has made bears a seal, so plain ones beside it are still read. It is put on where rows are written, and
taken off where texts are read (`worker.arguments`); what lies between handles either.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from worker.arguments.sealed import SEAL, CannotDecode, open_with
from worker.messages.echo import echo
from worker.named_objects import Unusable, named, said_by
from worker.options import options

_WHERE = 'SCHEDULER["CODEC"]'


class CodecFailed(Exception):
    """The project's codec raised, or gave what cannot be stored, where a text was to be encoded."""

    __module__ = "worker.api"


class Codec(Protocol):
    """Two methods, each the other's reverse. Both may be called by several threads at once."""

    def encode(self, text: str, /) -> str:
        """What is to be stored: printable ASCII."""

    def decode(self, text: str, /) -> str:
        """The text that `encode` was given. Raises anything where it cannot tell."""


def sealed(text: str) -> str:
    """The text as it is to be stored. Without a codec, or if it is sealed already, as it is.

    Raises CodecFailed where the codec does not encode it.
    """
    if options().CODEC is None or text.startswith(SEAL):
        return text
    try:
        encoded = _codec().encode(text)
    except Exception as error:
        raise CodecFailed(f"{_WHERE} cannot encode what is to be stored ({said_by(error)}).") from error
    if isinstance(encoded, str) and encoded.isascii() and encoded.isprintable():
        return SEAL + encoded
    raise CodecFailed(f"{_WHERE} has encoded a text as {echo(type(encoded))}, but must give a text of printable ASCII.")


def problems() -> Iterator[str]:
    """What is wrong with the option, in a sentence."""
    try:
        _named()
    except Unusable as fault:
        yield f"{_WHERE}: {fault}"


def _opened(encoded: str) -> str:
    if options().CODEC is None:
        raise CannotDecode(f"It is encoded, and {_WHERE} names no codec.")
    try:
        text = _codec().decode(encoded)
    except Exception as error:
        raise CannotDecode(f"It is encoded, and {_WHERE} cannot decode it here ({said_by(error)}).") from error
    if isinstance(text, str):
        return text
    raise CannotDecode(f"{_WHERE} has decoded a text as {echo(type(text))}, but must give a text.")


def _named() -> Codec | None:
    entry = options().CODEC
    return None if entry is None else named(entry, "a codec has encode(text) and decode(text)", ("encode", "decode"))


@lru_cache(maxsize=1)
def _codec() -> Codec:
    for fault in problems():
        raise ImproperlyConfigured(fault)
    codec = _named()
    assert codec is not None, "it is asked for only where there is one"
    return codec


def _forget(*, setting: str, **_: object) -> None:
    if setting == "SCHEDULER":
        _codec.cache_clear()


setting_changed.connect(_forget)
open_with(_opened)
