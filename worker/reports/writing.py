"""Write reports in the session of a loop, whatever the database says to that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from django.db import DatabaseError, connections

from worker import signals
from worker.clock import answers
from worker.dialects import dialect_of
from worker.refusals import MOST_REFUSALS, is_refusal
from worker.reports import table
from worker.reports.values import Hold, Report


@dataclass(slots=True)
class Written:
    """What came of some reports: written for these runs, refused for those. The others lost their jobs, or wait."""

    holds: set[Hold] = field(default_factory=set)
    refused: dict[Hold, Exception] = field(default_factory=dict)
    put_off: Exception | None = None
    """Why the database had no time for some."""

    @property
    def had_trouble(self) -> bool:
        return bool(self.refused or self.put_off)


How = Callable[[str, Sequence[Report]], Written]
"""`how(using, reports)`. Raises what ends the session."""
Do = Callable[[Sequence[Report]], set[Hold]]


def during_run(using: str, reports: Sequence[Report]) -> Written:
    """Wait for no lock: the task itself may have it until it ends."""
    connection = connections[using]
    with dialect_of(connection).locks.impatient(connection):
        return _try(using, reports, partial(table.write, using, waits=False))


def at_end(using: str, reports: Sequence[Report]) -> Written:
    """Of runs that have ended: there is no later time."""
    return _told(reports, _try(using, reports, partial(table.write, using, waits=True)))


def after_run(using: str, reports: Sequence[Report]) -> Written:
    """Of runs whose ends are recorded. Wait for no lock: there is a later time."""
    connection = connections[using]
    with dialect_of(connection).locks.impatient(connection):
        return _try(using, reports, partial(table.write_of_finished, using))


def at_last(using: str, reports: Sequence[Report]) -> Written:
    """The same when their worker ends."""
    return _told(reports, _try(using, reports, partial(table.write_of_finished, using)))


def _try(using: str, reports: Sequence[Report], do: Do) -> Written:
    """All together; where that is refused, each alone, and in ASCII, which the narrowest character set takes."""
    written = Written()
    if _refusal(using, reports, do, written) is None:
        return written
    for number, each in enumerate(reports):
        error = _refusal(using, [each], do, written)
        if error and _refusal(using, [each._replace(in_ascii=True)], do, written):
            written.refused[each.job.hold] = error
        if error and not written.holds and number + 1 == MOST_REFUSALS:  # the others would be refused as well
            written.refused |= {other.job.hold: error for other in reports}
            break
    if written.refused:
        _tell(written.refused, next(iter(written.refused.values())))
    return written


def _refusal(using: str, reports: Sequence[Report], do: Do, written: Written) -> Exception | None:
    """What the database has against these. None: they are written, or it had no time for them."""
    try:
        written.holds |= do(reports)
    except Exception as error:
        if is_refusal(error, using):
            return error
        if not isinstance(error, DatabaseError) or not answers(using):
            raise
        written.put_off = error
    return None


def _told(reports: Sequence[Report], written: Written) -> Written:
    """With those that are put off, and so for ever."""
    if written.put_off:
        holds = {each.job.hold for each in reports} - written.holds - written.refused.keys()
        _tell(holds, written.put_off)
    return written


def _tell(holds: Iterable[Hold], error: Exception) -> None:
    signals.reports_refused.send_robust(None, jobs=sorted(id for id, _ in holds), error=error)
