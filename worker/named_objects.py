"""Objects that settings name: by a dotted path, as a class that needs no options, or as themselves."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from worker.messages.echo import echo, one_line, quoted
from worker.messages.errors import kind_of, message_of
from worker.messages.nearest import did_you_mean

LONGEST_REASON = 300


class Unusable(ValueError):
    """What is wrong with what settings name: one sentence."""


def named(entry: object, what: str, methods: Iterable[str], known: Iterable[str] = ()) -> Any:
    """The object, which has these methods. A class is called for it.

    `what`: the kind of object, and how its methods look, for the message. `known`: paths that may have been meant.
    Raises Unusable.
    """
    found = _imported(entry, known) if isinstance(entry, str) else entry
    name = quoted(entry) if isinstance(entry, str) else echo(entry)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise Unusable(f"{name} cannot be made without options ({said_by(error)}). Give an instance.") from error
    missing = [method for method in methods if not callable(getattr(found, method, None))]
    if missing:
        raise Unusable(f"{name} has no method {' and no method '.join(missing)}, but {what}.")
    return found


def said_by(error: BaseException) -> str:
    """Its class and its message, on one line."""
    return one_line(f"{kind_of(error)}: {message_of(error)}", LONGEST_REASON)


def _imported(path: str, known: Iterable[str]) -> object:
    module_path, _, name = path.rpartition(".")
    try:
        if not all(part.isidentifier() for part in path.split(".")) or not module_path:
            raise ImportError('it is no dotted path, such as "shop.security.Codec"')  # noqa: TRY301
        module = import_module(module_path)
    except Exception as error:  # whatever a module raises when it is imported
        raise Unusable(
            f"{quoted(path)} cannot be imported ({said_by(error)}). {did_you_mean(path, known)}".rstrip()
        ) from error
    if not hasattr(module, name):
        names = [each for each in vars(module) if not each.startswith("_")]
        near = did_you_mean(name, names, prefix=f"{module_path}.")
        raise Unusable(f"{one_line(module_path)} has no {quoted(name)}. {near}".rstrip())
    return getattr(module, name)
