"""A declaration (`Spec`): given options, checked, in their final form. The only way from options to a schedule.

Decorators, calls, settings, the API and the admin all use `spec_of`. So they refuse the same things, in the same
words. It knows no table and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

from schedules.models import DECLARED, NAME_LENGTH, Source, identity_of
from schedules.planning import runs_after
from schedules.planning.columns import KINDS, POLICIES, RECURRENCE, columns_of
from schedules.planning.policies import InvalidPolicy, Policies
from schedules.recurrence import (
    Every,
    GapRule,
    InvalidRecurrence,
    OverlapRule,
    Recurrence,
    instant_of,
    parse_repeat,
    recurrence_of,
)
from schedules.recurrence.instants import TICK
from schedules.recurrence.zones import check_timezone
from worker.arguments import InvalidArguments, encode
from worker.calls import JOB, InvalidCall, Start, job_options, start_of
from worker.carry.stored import with_carried
from worker.messages.echo import echo
from worker.messages.expected import A_FLAG, AN_INSTANT, is_instant, must_be
from worker.messages.nearest import unknown_options
from worker.options import options as project_options
from worker.own_options import run_options
from worker.tasks import RUN_OPTIONS, InvalidTask, Task

FROM_TASK = {"queue", "priority", "max_attempts"}
"""What a run asks its task for, unless its schedule says it itself: columns that have a value in any case."""
MOST_DATES_TOLD = 5
OPTIONS = (*RECURRENCE, "first_run", *POLICIES, *JOB, *RUN_OPTIONS)
"""What may be said of a schedule, whoever makes it: code, settings, the API or an operator."""


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
    own_options: str
    """Which of `FROM_TASK` it says itself; a run asks its task for the others."""
    task_options: str | None
    """What else it says of its task, as it is stored."""
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
    """From when a repeat counts. None: it starts one period after it is first seen. A delay is for the first run."""
    enabled: bool = True
    """Whether it is to run. An operator's pause wins."""
    call: str = ""
    """The call that made it, with all that its name hides."""
    runs_late: bool = True
    """Whether a one-off whose time is past when it is first seen runs at once; else it is missed."""
    renamed_from: tuple[str, ...] = ()
    """Names under which it was declared before."""
    identity: str = field(init=False)
    """What makes it the same, however it is called."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", identity_of(self.call or self.name))

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
    renamed_from: object = (),
    carried: str | None = None,
    options: Mapping[str, Any],
) -> Spec:
    """Check everything that is given. `where` opens the message: the place a user would look at.

    schedule: as the option of a call; None: a repeat starts one period after it is first seen.
    call: what makes it the same, if not its name.
    carried: what each run is given of the place where somebody makes it (`worker.carry`); it makes no difference.
    Raises InvalidSchedule.
    """
    for fault in unknown_options(options, OPTIONS, where):
        raise InvalidSchedule(fault)
    try:
        name, recurrence, policies = _name(name), _recurrence(name, options), _policies(options)
        start = _start(schedule, options.get("first_run"), recurrence["timezone"])
        if start is not None and not recurrence["repeat"]:
            start, policies = _begun_by_limit(start, policies, options)
        _require_some_run(name, recurrence, policies, start)
        own = run_options(task, options)
        return Spec(
            name=name,
            task=task.name,
            arguments=encode(args, {} if kwargs is None else kwargs),
            own_options=" ".join(sorted(option for option in FROM_TASK if options.get(option) is not None)),
            max_attempts=own["max_attempts"],
            task_options=with_carried(own["task_options"], carried),
            source=source,
            declared_in=declared_in[:255],
            policies=policies,
            start=start,
            enabled=_enabled(enabled),
            call=call,
            runs_late=source not in DECLARED,
            renamed_from=_former_names(name, renamed_from),
            **job_options(task, options),
            **recurrence,
        )
    except (InvalidRecurrence, InvalidPolicy, InvalidArguments, InvalidTask, InvalidCall, InvalidSchedule) as fault:
        raise InvalidSchedule(f"{where}: {fault}") from fault


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
        raise InvalidSchedule(f"the name {echo(name)} cannot be used: give 1 to {NAME_LENGTH} printable characters.")
    return name


def _former_names(name: str, given: object) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    for each in names:
        if not isinstance(each, str) or not each or each == name:
            raise InvalidSchedule(must_be("renamed_from", given, "the name it had before, or a list of such names"))
    return names


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


def _start(schedule: object, first_run: object, timezone: str) -> Start | None:
    if first_run is None or first_run == "":
        return None if schedule is None else start_of(schedule)
    if schedule is not None:
        raise InvalidSchedule("give schedule or first_run, but not both: they mean the same.")
    return Start(at=_first_run(first_run, timezone))


def _first_run(value: object, timezone: str) -> datetime:
    if is_instant(value):
        return value
    with suppress(TypeError, ValueError):
        reading = datetime.fromisoformat(value)  # type: ignore[arg-type]
        instant = instant_of(reading, timezone) if reading.tzinfo is None else reading
        if is_instant(instant):
            return instant
    raise InvalidSchedule(
        must_be("first_run", value, f'{AN_INSTANT}, or what the clock in its zone shows, as in "2026-07-02 03:00"')
    )


def _begun_by_limit(start: Start, policies: Policies, options: Mapping[str, Any]) -> tuple[Start | None, Policies]:
    """What does not repeat by distance has instants of its own, so an instant to start at is a limit of these."""
    if options.get("first_run") is not None:
        raise InvalidSchedule(
            "first_run goes with repeat only: it says where the repeat counts from. "
            "To let cron begin later, give starts_at."
        )
    if start.at is None:
        return (start if start.delay else None), policies
    later = max(filter(None, [start.at, policies.starts_at]))
    return None, replace(policies, starts_at=later)


def _require_some_run(name: str, recurrence: dict[str, Any], policies: Policies, start: Start | None) -> None:
    """Refuse limits that leave nothing, as far as that is known before there is a row."""
    first = None if start is None else start.at
    begins = max(filter(None, [recurrence["run_at"], first, policies.starts_at]), default=None)
    if begins is None:
        return
    instants: Recurrence = Every(1)  # where a repeat counts from is not known yet, so any second will do
    if first is not None or not recurrence["repeat"]:
        instants = recurrence_of(**recurrence, anchor=first, name=name)
    if next(runs_after(instants, policies, recurrence["timezone"], begins - TICK, 0), None) is None:
        limits = {"run_at": recurrence["run_at"], "first_run": first}
        limits |= {limit: getattr(policies, limit) for limit in ("starts_at", "repeat_until", "exclude")}
        told = (f"{limit} is {_told(value)}" for limit, value in limits.items() if value)
        raise InvalidSchedule(f"the schedule would never run: {', '.join(told)}. Change one of them.")


def _told(limit: datetime | tuple[date, ...]) -> str:
    if isinstance(limit, datetime):
        return limit.isoformat()
    return " ".join(day.isoformat() for day in limit[:MOST_DATES_TOLD]) + (" …" if limit[MOST_DATES_TOLD:] else "")


def _policies(given: Mapping[str, Any]) -> Policies:
    chosen = {name: given[name] for name in POLICIES if given.get(name) is not None}
    for name in _DURATIONS & chosen.keys():
        chosen[name] = _whole_seconds(name, chosen[name])
    if "exclude" in chosen:
        chosen["exclude"] = tuple(sorted({_date(day) for day in _sequence(chosen["exclude"])}))
    return Policies(**chosen) if chosen else NO_POLICIES


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
    *("name", "task", "arguments", "max_attempts", "own_options", "task_options", "source", "declared_in"),
    *JOB,
    *RECURRENCE,
)
_DST = {"dst_gap": get_args(GapRule), "dst_overlap": get_args(OverlapRule)}
NO_POLICIES = Policies()
"""What nearly all schedules have: nothing said of policies."""
_DURATIONS = {"catch_up_window", "late_after", "start_deadline", "jitter"}
_ANY_ANCHOR = datetime(2000, 1, 1, tzinfo=UTC)
"""A repeat counts from an instant that is known only when it is stored; any will do to check it."""
