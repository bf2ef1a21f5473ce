"""What somebody wants scheduled, checked and in its final form: the one way from given options to a schedule.

Decorators, calls, settings, the API and the admin all come through `spec_of`, so all refuse the same things, in the
same words. It knows no table and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

from schedules.models import NAME_LENGTH, Source, identity_of
from schedules.planning.columns import KINDS, POLICIES, RECURRENCE, columns_of
from schedules.planning.policies import InvalidPolicy, Policies
from schedules.recurrence import GapRule, InvalidRecurrence, OverlapRule, parse_repeat, recurrence_of
from schedules.recurrence.zones import check_timezone
from worker.arguments import InvalidArguments, encode
from worker.calls import JOB, InvalidCall, Start, job_options, start_of
from worker.messages.echo import echo
from worker.messages.expected import A_FLAG, AN_INSTANT, is_instant, must_be
from worker.messages.nearest import unknown_options
from worker.options import options as project_options
from worker.tasks import InvalidTask, Task

OPTIONS = (*RECURRENCE, *POLICIES, *JOB)


class InvalidSchedule(ValueError):
    """A schedule is declared in a way that could not work; the message says where and what is expected."""

    __module__ = "schedules.api"


@dataclass(frozen=True, slots=True)
class Spec:
    """A schedule as it was declared."""

    name: str
    task: str
    arguments: str
    queue: str
    priority: int
    max_attempts: int
    verbose_name: str
    creator: str
    source: Source
    declared_in: str
    cron: str
    repeat: str
    run_at: datetime | None
    timezone: str
    dst_gap: str
    dst_overlap: str
    policies: Policies
    start: Start | None = None
    """From when a repeat counts. None: it starts one period after it is first seen."""
    enabled: bool = True
    """Whether it begins unpaused; after that, this is the operator's."""
    call: str = ""
    """The call that made it, with all that its name hides."""

    @property
    def identity(self) -> str:
        """What makes it the same, however it is called."""
        return identity_of(self.call or self.name)

    def columns(self) -> dict[str, Any]:
        """The columns of `Schedule` that this decides."""
        return {**{name: getattr(self, name) for name in _COLUMNS}, **columns_of(self.policies)}


def spec_of(
    task: Task,
    *,
    where: str,
    name: str,
    source: Source,
    declared_in: str = "",
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    schedule: object = None,
    enabled: bool = True,
    call: str = "",
    options: Mapping[str, Any],
) -> Spec:
    """Check everything that is given. `where` opens the message: the place a user would look at.

    schedule: as the option of a call; None: a repeat starts one period after it is first seen.
    call: what makes it the same, if not its name.
    Raises InvalidSchedule.
    """
    for fault in unknown_options(options, OPTIONS, where):
        raise InvalidSchedule(fault)
    try:
        return Spec(
            name=_name(name),
            task=task.name,
            arguments=encode(args, {} if kwargs is None else kwargs),
            max_attempts=task.attempts_allowed,
            source=source,
            declared_in=declared_in[:255],
            policies=_policies(options),
            start=None if schedule is None else start_of(schedule),
            enabled=_enabled(enabled),
            call=call,
            **job_options(task, options),
            **_recurrence(name, options),
        )
    except (InvalidRecurrence, InvalidPolicy, InvalidArguments, InvalidTask, InvalidCall, InvalidSchedule) as fault:
        raise InvalidSchedule(f"{where}: {fault}") from fault


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
        raise InvalidSchedule(f"the name {echo(name)} will not do: give 1 to {NAME_LENGTH} printable characters.")
    return name


def _enabled(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidSchedule(must_be("enabled", value, A_FLAG))


def _recurrence(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    cron = _or(given.get("cron"), "")
    repeat = parse_repeat(_or(given.get("repeat"), 0))
    run_at = _run_at(given.get("run_at"))
    found = [kind for kind, value in zip(KINDS, (cron, repeat, run_at), strict=True) if value]
    if len(found) != 1:
        told = " and ".join(found) or "none of them"
        raise InvalidSchedule(f"give exactly one of cron, repeat and run_at; found {told}.")
    timezone = check_timezone(_or(given.get("timezone"), project_options().time_zone))
    for option, choices in _DST.items():
        if given.get(option, choices[0]) not in choices:
            raise InvalidSchedule(must_be(option, given[option], f"one of {', '.join(choices)}"))
    recurrence = {
        "cron": cron,
        "repeat": repeat,
        "run_at": run_at,
        "timezone": timezone,
        "dst_gap": given.get("dst_gap", "run"),
        "dst_overlap": given.get("dst_overlap", "first"),
    }
    recurrence_of(**recurrence, anchor=_ANY_ANCHOR, name=name)
    return recurrence


def _or(value: Any, default: Any) -> Any:
    """The value, unless it is left out or left blank."""
    return default if value is None or value == "" else value


def _run_at(value: object) -> datetime | None:
    if value is None or is_instant(value):
        return value
    raise InvalidSchedule(must_be("run_at", value, AN_INSTANT))


def _policies(given: Mapping[str, Any]) -> Policies:
    chosen = {name: given[name] for name in POLICIES if given.get(name) is not None}
    for name in _DURATIONS & chosen.keys():
        chosen[name] = _whole_seconds(name, chosen[name])
    if "exclude" in chosen:
        chosen["exclude"] = tuple(sorted({_date(day) for day in _sequence(chosen["exclude"])}))
    return Policies(**chosen)


def _whole_seconds(name: str, value: object) -> object:
    if not isinstance(value, timedelta):
        return value
    if value.microseconds:
        raise InvalidSchedule(must_be(name, value, "whole seconds"))
    return value.days * 86_400 + value.seconds


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple, set, frozenset)) else [value]  # type: ignore[return-value]


def _date(value: object) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidSchedule(
            f'exclude has {echo(value)}, which is not a date: give date objects or texts like "2026-12-25".'
        ) from None


_COLUMNS = (
    *("name", "task", "arguments", "max_attempts", "source", "declared_in"),
    *JOB,
    *RECURRENCE,
)
_DST = {"dst_gap": get_args(GapRule), "dst_overlap": get_args(OverlapRule)}
_DURATIONS = {"catch_up_window", "late_after", "start_deadline", "jitter"}
_ANY_ANCHOR = datetime(2000, 1, 1, tzinfo=UTC)
"""A repeat counts from an instant that is known only when it is stored; any will do to check it."""
