"""The option `keep`: how long the record of a finished job stays, by how it ended.

It knows the value alone. `worker.queue.own_keep` acts on it, and what it leaves open the settings decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from worker.messages.echo import quoted
from worker.messages.expected import must_be
from worker.messages.nearest import did_you_mean

Keeping = timedelta | Mapping[str, timedelta | None] | None
"""A length, or None for not at all; or one of both by outcome."""
LONGEST = timedelta(days=100 * 366)


class Keep(NamedTuple):
    """Seconds by outcome, under the names that history has for them. 0: not at all. None: as the settings say."""

    succeeded: float | None = None
    failed: float | None = None
    cancelled: float | None = None
    missed: float | None = None

    @property
    def leaves_nothing(self) -> bool:
        """Of some outcome at least."""
        return 0 in self


AS_SETTINGS = Keep()


def problem(value: object) -> str | None:
    """What is wrong with a value given as `keep`, or None."""
    if isinstance(value, Keep) or _is_length(value):
        return None
    if not isinstance(value, Mapping):
        return must_be("keep", value, f"{_A_LENGTH}; or a dictionary of these by outcome ({_OUTCOMES})")
    return next(_problems_of_outcomes(value), None)


def problem_of_task(keep: Keep) -> str | None:
    """What is wrong with it for a Task of Django's framework, or None."""
    if not keep.leaves_nothing:
        return None
    outcomes = ", ".join(name for name, seconds in keep._asdict().items() if seconds == 0)
    return (
        f"keep is None for {outcomes}, but a Task has a result that can be asked for by its id when it is finished: "
        "give a timedelta, such as timedelta(hours=1), or call a function with @background instead."
    )


def read(value: Any) -> Keep:
    """A value without a problem."""
    if isinstance(value, Keep):
        return value
    if isinstance(value, Mapping):
        return Keep(**{outcome: _seconds(length) for outcome, length in value.items()})
    return Keep(*[_seconds(value)] * len(Keep._fields))


def stored(told: Sequence[Any]) -> Keep:
    """As a row has it. A later release may know more outcomes."""
    return Keep(*told[: len(Keep._fields)])


def _problems_of_outcomes(given: Mapping[Any, Any]) -> Iterator[str]:
    for outcome, length in given.items():
        if outcome not in Keep._fields:
            meant = did_you_mean(outcome, Keep._fields, otherwise=f"Known: {_OUTCOMES}.")
            yield f"keep: {quoted(outcome)} is no outcome of a job. {meant}"
        elif not _is_length(length):
            yield must_be(f"keep[{quoted(outcome)}]", length, _A_LENGTH)


def _is_length(value: object) -> bool:
    return value is None or (isinstance(value, timedelta) and timedelta(0) < value <= LONGEST)


def _seconds(length: timedelta | None) -> float:
    return 0 if length is None else length.total_seconds()


_A_LENGTH = f"a positive timedelta of at most {LONGEST.days} days, or None (no record stays)"
_OUTCOMES = ", ".join(Keep._fields)
