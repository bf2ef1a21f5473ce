"""Which arguments a function takes, and whether those of a call fit. It knows nothing of tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """Of one function, as it takes a call: a decorator may take arguments of its own, or give some to what it wraps.

    `where` opens the message of what does not fit. Raises TypeError or ValueError where nobody knows them.
    """

    def __init__(self, function: Callable[..., Any], where: str) -> None:
        self._where = where
        self._signature = signature(function, follow_wrapped=False)
        self.names = tuple(dict.fromkeys((*self._signature.parameters, *signature(function).parameters)))
        """With those of the function that it wraps."""
        self._fitting = _positional_counts(list(self._signature.parameters.values()))

    def require(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises TypeError for arguments that do not fit the function."""
        if kwargs or len(args) not in self._fitting:  # binding takes a microsecond, and says what is wrong
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as unfit:
                raise TypeError(f"{self._where}: {unfit}.") from None


def _positional_counts(parameters: Sequence[Parameter]) -> range:
    """How many arguments fit a call without keywords."""
    if any(each.kind is Parameter.KEYWORD_ONLY and each.default is Parameter.empty for each in parameters):
        return range(0)
    positional = [each for each in parameters if each.kind in _POSITIONAL]
    takes_any = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
    least = sum(each.default is Parameter.empty for each in positional)
    return range(least, sys.maxsize if takes_any else len(positional) + 1)
