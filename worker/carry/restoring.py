"""Around a run: what its job carries holds there, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, TypeVar

from worker import signals
from worker.arguments import from_json_value
from worker.carry.carriers import Carrier, CarrierFailed, carriers
from worker.carry.stored import carried_in
from worker.messages.echo import quoted
from worker.named_objects import said_by
from worker.raised import Cancel, Fail, Retry, Snooze
from worker.values import ClaimedJob

R = TypeVar("R")
SAID = (Cancel, Fail, Retry, Snooze)
"""What a carrier may raise to say how the job goes on, as its task may."""
MOST_TOLD = 100


def with_context(job: ClaimedJob, function: Callable[..., R], *args: Any) -> R:
    """Call the function where that holds which the job carries.

    The first carrier of the settings is the outermost. Raises what the function raises; CarrierFailed where a carrier
    does.
    """
    carried = carried_in(job.task_options)
    if not carried:
        return function(*args)
    with ExitStack() as blocks:
        for key, carrier, value in _known(carried):
            blocks.enter_context(_Block(key, carrier, value))
        return function(*args)


def _known(carried: Mapping[str, Any]) -> Iterator[tuple[str, Carrier, Any]]:
    known = carriers()
    for key in carried.keys() - known.keys():
        _tell_unknown(key)
    for key, carrier in known.items():
        if key in carried:
            yield key, carrier, carried[key]


def _tell_unknown(key: str) -> None:
    """A release before or after this one has captured it. Once for each key."""
    if key not in _told_unknown and len(_told_unknown) < MOST_TOLD:
        _told_unknown.add(key)
        signals.carrier_unknown.send_robust(None, key=key)


class _Block:
    """What a carrier restores, so that whatever it does wrong bears its name. It cannot swallow what a task raises."""

    def __init__(self, key: str, carrier: Carrier, value: Any) -> None:
        self._key = key
        self._carrier = carrier
        self._value = value
        self._block: AbstractContextManager[object]

    def __enter__(self) -> None:
        try:
            self._block = self._carrier.restore(from_json_value(self._value, "what is carried"))
            self._block.__enter__()
        except SAID:
            raise
        except BaseException as error:
            raise self._failed("restore what the job carries, so its task did not run", error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._block.__exit__(kind, error, traceback)
        except BaseException as fault:
            if fault is error:
                return
            raise self._failed("put back what was there before the run", fault) from fault

    def _failed(self, what: str, error: BaseException) -> CarrierFailed:
        said = said_by(error)
        return CarrierFailed(f'{quoted(self._key)} of SCHEDULER["CARRY"] cannot {what} ({said}).')


_told_unknown: set[str] = set()
