"""Which jobs are meant: filters, checked, and as conditions on the tables. It changes nothing.

A text is meant letter by letter. MySQL compares texts without regard to case, but not the beginning of one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Self, TypedDict

from django.db.models import Model, Q, QuerySet

from worker.calls import InvalidCall, creator_of
from worker.dialects.portions import portions
from worker.messages.echo import quoted
from worker.messages.expected import (
    A_FLAG,
    A_SHORT_TEXT,
    AN_INSTANT,
    GREATEST_ID,
    a_whole_number,
    is_instant,
    is_short_text,
    is_whole,
    must_be,
)
from worker.messages.nearest import did_you_mean, is_no_option
from worker.models import FinishedJob, FinishedState, Job, JobState

PORTION = 500
"""Ids that are asked for in one statement."""
Table = type[Job] | type[FinishedJob]


class InvalidFilter(ValueError):
    """What says which jobs are meant could not work; the message says what, and what is expected."""

    __module__ = "worker.api"


class Given(TypedDict, total=False):
    """What users may say. Of a collection, a job must have one."""

    ids: Collection[int]
    task: Any
    queue: str | Collection[str]
    state: str | Collection[str]
    schedule_id: int
    creator: str | Model
    verbose_name: str
    enqueued_after: datetime
    enqueued_before: datetime
    error: str | type[BaseException]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """A job is meant that fits all that is given; None: whatever it is."""

    ids: tuple[int, ...] | None = None
    """Ascending."""
    task: tuple[str, ...] | None = None
    queue: tuple[str, ...] | None = None
    state: tuple[str, ...] | None = None
    schedule_id: int | None = None
    creator: str | None = None
    verbose_name: str | None = None
    enqueued_after: datetime | None = None
    """Inclusive."""
    enqueued_before: datetime | None = None
    """Exclusive."""
    error: str | None = None
    """The class of the error with which a job has failed for good, as its `kind`."""

    @classmethod
    def checked(cls, given: Mapping[str, Any], where: str, of: Collection[Table], *, everything: bool) -> Self:
        """Of what a user gives, for jobs in these tables. `where` opens the message of each error.

        everything: all jobs are meant where nothing is given. Raises InvalidFilter for what could not work, and
        TypeError for a name that is no filter of theirs.
        """
        known = [each.name for each in fields(cls) if each.name != "error" or FinishedJob in of]
        for name in given:
            if name not in known:
                raise TypeError(is_no_option(f"{where}: {quoted(name)}", name, known))
        try:
            _require_one_way(given, everything)
            filters = cls(**{name: _READ[name](name, value) for name, value in given.items()})
            _require_states(filters.state or (), of)
        except InvalidFilter as fault:
            raise InvalidFilter(f"{where}: {fault}") from fault.__cause__
        return filters

    def replaced(self, **others: Any) -> Self:
        return replace(self, **others)

    def of(self, rows: QuerySet[Any]) -> list[QuerySet[Any]]:
        """Those of the rows that are meant, in as many querysets as ids need, ascending by id."""
        rows = rows.filter(self._condition(rows.model))
        if self.ids is None:
            return [rows]
        return [rows.filter(pk__in=some) for some in portions(self.ids, PORTION)]

    def _condition(self, model: Table) -> Q:
        condition = Q()
        for column in _TEXTS:
            if (given := getattr(self, column)) is not None:
                condition &= _any_of(column, [given] if isinstance(given, str) else given)
        if self.schedule_id is not None:
            condition &= Q(schedule_id=self.schedule_id)
        if self.enqueued_after is not None:
            condition &= Q(enqueued_at__gte=self.enqueued_after)
        if self.enqueued_before is not None:
            condition &= Q(enqueued_at__lt=self.enqueued_before)
        if self.error is not None:
            failed = Q(state=FinishedState.FAILED, reason__startswith=f"{self.error}: ")
            condition &= failed if issubclass(model, FinishedJob) else _NONE
        return condition


def _any_of(column: str, values: Collection[str]) -> Q:
    condition = _NONE
    for value in values:
        condition |= Q(**{column: value, f"{column}__startswith": value})
    return condition


# What may be given


def _require_one_way(given: Collection[str], everything: object) -> None:
    if not isinstance(everything, bool):
        raise InvalidFilter(must_be("everything", everything, A_FLAG))
    if not given and not everything:
        raise InvalidFilter("nothing says which jobs are meant. Give a filter, or everything=True for all of them.")
    if given and everything:
        raise InvalidFilter(f"everything=True goes with no filter, but {', '.join(given)} was given. Leave out one.")


def _ids(name: str, value: object) -> tuple[int, ...]:
    expected = f"ids of jobs: each {a_whole_number(1, GREATEST_ID)}"
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Collection):
        raise InvalidFilter(must_be(name, value, expected))
    for each in value:
        if not is_whole(each, 1, GREATEST_ID):
            raise InvalidFilter(must_be(f"one of {name}", each, expected))
    return tuple(sorted(set(value)))


def _id(name: str, value: object) -> int:
    if is_whole(value, 1, GREATEST_ID):
        return value
    raise InvalidFilter(must_be(name, value, a_whole_number(1, GREATEST_ID)))


def _text(name: str, value: object) -> str:
    if is_short_text(value):
        return value
    raise InvalidFilter(must_be(name, value, A_SHORT_TEXT))


def _each(name: str, value: object) -> tuple[str, ...]:
    several = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return tuple(_text(name, each) for each in several)


def _tasks(name: str, value: object) -> tuple[str, ...]:
    several = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return tuple(_text(name, _name_of(each)) for each in several)


def _name_of(task: Any) -> object:
    """Of what `@background` made, of a Task of the framework, or of what is a name already."""
    return getattr(getattr(task, "task", None), "name", None) or getattr(task, "module_path", None) or task


def _require_states(given: Collection[str], of: Collection[Table]) -> None:
    known = [state for table in of for state in _STATES[table].values]
    for each in given:
        if each not in known:
            every = f"Known: {', '.join(known)}."
            raise InvalidFilter(
                f"state: {quoted(each)} is none of its jobs. {did_you_mean(each, known, otherwise=every)}"
            )


def _creator(name: str, value: object) -> str:
    if value is None:
        raise InvalidFilter(must_be(name, value, f"a model instance, or {A_SHORT_TEXT}"))
    try:
        return creator_of(value)
    except InvalidCall as fault:
        raise InvalidFilter(str(fault)) from fault


def _instant(name: str, value: object) -> datetime:
    if is_instant(value):
        return value
    raise InvalidFilter(must_be(name, value, AN_INSTANT))


def _kind(name: str, value: object) -> str:
    if isinstance(value, type) and issubclass(value, BaseException):
        return value.__qualname__
    if isinstance(value, str) and value and is_short_text(value):
        return value
    raise InvalidFilter(must_be(name, value, "a class of exceptions, or the name of one"))


_TEXTS = ("task", "queue", "state", "creator", "verbose_name")
_NONE = Q(pk__in=())
_STATES: dict[Table, Any] = {Job: JobState, FinishedJob: FinishedState}
_READ: dict[str, Callable[[str, Any], Any]] = {
    "ids": _ids,
    "task": _tasks,
    "queue": _each,
    "state": _each,
    "schedule_id": _id,
    "creator": _creator,
    "verbose_name": _text,
    "enqueued_after": _instant,
    "enqueued_before": _instant,
    "error": _kind,
}
