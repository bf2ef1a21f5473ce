"""Which arguments a function takes, whether those of a call fit, and which calls mean the same. It knows no tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import BoundArguments, Parameter, signature
from typing import Any

from worker.arguments import InvalidArguments, decode, encode
from worker.messages.elsewhere import ours_for
from worker.messages.nearest import did_you_mean

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """Of one function, as it takes a call: a decorator may take arguments of its own, or give some to what it wraps.

    `where` opens the message of what does not fit; `options` are what a call may say beside them, of which that message
    may remind. Raises TypeError or ValueError where nobody knows them.
    """

    def __init__(self, function: Callable[..., Any], where: str, options: Collection[str] = ()) -> None:
        self._where = where
        self._options = options
        self._signature = signature(function, follow_wrapped=False)
        self.names = tuple(dict.fromkeys((*self._signature.parameters, *signature(function).parameters)))
        """With those of the function that it wraps."""
        innermost = signature(function).parameters.values()
        self.takes_any_keyword = any(each.kind is Parameter.VAR_KEYWORD for each in innermost)
        """What a decorator between takes for the function that it wraps does not count."""
        self._fitting = _positional_counts(list(self._signature.parameters.values()))

    def require(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises TypeError for arguments that do not fit the function."""
        if kwargs or len(args) not in self._fitting:  # binding takes a microsecond, and says what is wrong
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as unfit:
                hints = [self._option_for(name) for name in kwargs if name not in self.names]
                raise TypeError(" ".join(filter(None, [f"{self._where}: {unfit}.", *hints]))) from None

    def meaning(self, arguments: str) -> str:
        """Stored arguments in the one spelling of all equal calls: by position, without what would be there anyway.

        What does not fit the function, or cannot be read, is left as it is.
        """
        try:
            args, kwargs = decode(arguments)
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            return arguments
        for name in _needless(bound):
            del bound.arguments[name]
        return encode(bound.args, bound.kwargs)

    def _option_for(self, name: str) -> str:
        return ours_for(name, self._options) or did_you_mean(name, self._options) if self._options else ""


def _needless(bound: BoundArguments) -> list[str]:
    """The parameters that are given their defaults, unless others would then lose their place."""
    needless, holds_places = [], False
    for name, parameter in reversed(list(bound.signature.parameters.items())):
        if parameter.kind is Parameter.VAR_POSITIONAL:
            holds_places = bool(bound.arguments.get(name))
        elif name in bound.arguments and parameter.kind is not Parameter.VAR_KEYWORD:
            if not (holds_places and parameter.kind in _POSITIONAL) and _is_default(parameter, bound.arguments[name]):
                needless.append(name)
            elif parameter.kind is Parameter.POSITIONAL_ONLY:
                holds_places = True
    return needless


def _is_default(parameter: Parameter, given: object) -> bool:
    """As JSON tells them apart: 1 is neither 1.0 nor True."""
    try:
        return parameter.default is not Parameter.empty and encode([parameter.default], {}) == encode([given], {})
    except InvalidArguments:
        return False


def _positional_counts(parameters: Sequence[Parameter]) -> range:
    """How many arguments fit a call without keywords."""
    if any(each.kind is Parameter.KEYWORD_ONLY and each.default is Parameter.empty for each in parameters):
        return range(0)
    positional = [each for each in parameters if each.kind in _POSITIONAL]
    takes_any = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
    least = sum(each.default is Parameter.empty for each in positional)
    return range(least, sys.maxsize if takes_any else len(positional) + 1)
