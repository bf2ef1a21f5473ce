"""What somebody wants scheduled, checked and in its final form: the one way from given options to a schedule.

Decorators, calls, settings, the API and the admin all come through `spec_of`, so all refuse the same things, in the
same words. It knows no table and no clock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import models

from schedules.models import NAME_LENGTH, Source
from schedules.planning.policies import InvalidPolicy, Policies
from schedules.recurrence import InvalidRecurrence, parse_repeat, recurrence_of
from schedules.recurrence.instants import AN_INSTANT, is_instant
from schedules.recurrence.zones import check_timezone
from worker.arguments import InvalidArguments, encode
from worker.messages.echo import echo, quoted
from worker.options import options as project_options
from worker.options import unknown
from worker.tasks import InvalidTask, Task, priority_problem, queue_problem

RECURRENCE = ("cron", "repeat", "run_at", "timezone", "dst_gap", "dst_overlap")
POLICIES = tuple(field.name for field in fields(Policies))
JOB = ("queue", "priority", "verbose_name", "creator")
OPTIONS = (*RECURRENCE, *POLICIES, *JOB)


class InvalidSchedule(ValueError):
    """A schedule is declared in a way that could not work; the message says where and what is expected."""


@dataclass(frozen=True, slots=True)
class Start:
    """When a job or the first run of a repeat is to start: so many seconds from now, or at an instant."""

    delay: float = 0.0
    at: datetime | None = None


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

    def columns(self) -> dict[str, Any]:
        """The columns of `Schedule` that this decides."""
        values = {name: getattr(self, name) for name in _COLUMNS}
        values |= {name: getattr(self.policies, name) for name in POLICIES}
        values["exclude"] = " ".join(day.isoformat() for day in self.policies.exclude)
        return values


def spec_of(
    task: Task,
    *,
    where: str,
    name: str,
    source: Source,
    declared_in: str = "",
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    start: Start | None = None,
    enabled: bool = True,
    options: Mapping[str, Any],
) -> Spec:
    """Check everything that is given. `where` opens the message: the place a user would look at.

    Raises InvalidSchedule.
    """
    refuse_unknown(options, OPTIONS, where)
    try:
        return Spec(
            name=_name(name),
            task=task.name,
            arguments=encode(args, {} if kwargs is None else kwargs),
            max_attempts=task.attempts_allowed,
            source=source,
            declared_in=declared_in[:255],
            policies=_policies(options),
            start=start,
            enabled=flag("enabled", enabled),
            **_job(task, options),
            **_recurrence(name, options),
        )
    except (InvalidRecurrence, InvalidPolicy, InvalidArguments, InvalidTask, InvalidSchedule) as fault:
        raise InvalidSchedule(f"{where}: {fault}") from fault


def job_options(task: Task, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`queue`, `priority`, `verbose_name` and `creator` of a job or schedule, with the task's own as defaults.

    Raises InvalidSchedule.
    """
    try:
        return _job(task, given)
    except InvalidSchedule as fault:
        raise InvalidSchedule(f"{where}: {fault}") from fault


def start_of(value: object, where: str) -> Start:
    """The option `schedule`: seconds from now (not negative), a timedelta, or an aware datetime.

    Raises InvalidSchedule.
    """
    if is_instant(value):
        return Start(at=value)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds <= _LONGEST_DELAY:
        raise InvalidSchedule(
            f"{where}: schedule is {echo(value)}, but must be seconds from now (0 to {_LONGEST_DELAY}), a timedelta, "
            f"or {AN_INSTANT}."
        )
    return Start(delay=float(seconds))


def call_name(task: str, arguments: str, key: object) -> str:
    """The name, and so the identity, of a schedule that a call makes: the task and its arguments, or the key.

    Raises InvalidSchedule.
    """
    if key is not None and not isinstance(key, str):
        raise InvalidSchedule(f"{task}(…): key is {echo(key)}, but must be a text.")
    name = f"{task}{_call(arguments)}" if key is None else f"{task}#{key}"
    if not name.isprintable():
        name = name.encode("unicode_escape").decode("ascii")
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 18]}… {sha256(name.encode()).hexdigest()[:16]}"


def recurs(options: Mapping[str, Any]) -> bool:
    """Whether they name a recurrence, be it one that `spec_of` refuses."""
    return options.get("cron") not in (None, "") or options.get("repeat") not in (None, *_NEVER)


def flag(what: str, value: object) -> bool:
    """The value, if it is True or False. Raises InvalidSchedule."""
    if not isinstance(value, bool):
        raise InvalidSchedule(f"{what} is {echo(value)}, but must be True or False.")
    return value


def refuse_unknown(given: Collection[str], known: Sequence[str], where: str) -> None:
    """Raises InvalidSchedule with the nearest known name."""
    for name in given:
        if name not in known:
            raise InvalidSchedule(unknown(name, list(known), f"{where}: {quoted(name)} is not an option."))


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
        raise InvalidSchedule(f"the name {echo(name)} will not do: give 1 to {NAME_LENGTH} printable characters.")
    return name


def _job(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    queue, priority = given.get("queue"), given.get("priority")
    queue = task.queue if queue is None else queue
    priority = task.priority if priority is None else priority
    for fault in (queue_problem(queue), priority_problem(priority)):
        if fault:
            raise InvalidSchedule(fault)
    return {
        "queue": queue,
        "priority": priority,
        "verbose_name": text_of("verbose_name", given.get("verbose_name")),
        "creator": _creator(given.get("creator")),
    }


def _recurrence(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    cron = _or(given.get("cron"), "")
    repeat = parse_repeat(_or(given.get("repeat"), 0))
    run_at = _run_at(given.get("run_at"))
    kinds = [kind for kind, value in (("cron", cron), ("repeat", repeat), ("run_at", run_at)) if value]
    if len(kinds) != 1:
        found = f"found {' and '.join(kinds)}" if kinds else "found none of them"
        raise InvalidSchedule(f"give exactly one of cron, repeat and run_at; {found}.")
    timezone = check_timezone(_or(given.get("timezone"), project_options().time_zone))
    for option, choices in _DST.items():
        if given.get(option, choices[0]) not in choices:
            raise InvalidSchedule(f"{option} is {echo(given[option])}, but must be one of {', '.join(choices)}.")
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
    raise InvalidSchedule(f"run_at is {echo(value)}, but must be {AN_INSTANT}.")


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
        raise InvalidSchedule(f"{name} is {echo(value)}, but must be whole seconds.")
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


def text_of(option: str, value: object) -> str:
    """A short text for people; none is an empty one. Raises InvalidSchedule."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 255 or not value.isprintable():
        raise InvalidSchedule(f"{option} is {echo(value)}, but must be a text of at most 255 printable characters.")
    return value


def _creator(value: object) -> str:
    if isinstance(value, models.Model):
        if value.pk is None:
            raise InvalidSchedule(f"creator is an unsaved {value._meta.label}: save it first.")
        value = f"{value._meta.label}:{value.pk}"
    return text_of("creator", value)


def _call(arguments: str) -> str:
    """`[["eu"],{"deep":true}]` → `("eu", deep=true)`, as it would be written."""
    args, kwargs = json.loads(arguments)
    shown = [json.dumps(value, ensure_ascii=False) for value in args]
    shown += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in kwargs.items()]
    return f"({', '.join(shown)})"


_COLUMNS = (
    *("name", "task", "arguments", "max_attempts", "source", "declared_in"),
    *JOB,
    *RECURRENCE,
)
_DST = {"dst_gap": ("run", "skip"), "dst_overlap": ("first", "second", "both")}
_DURATIONS = {"catch_up_window", "late_after", "start_deadline", "jitter"}
_NEVER = (0, timedelta(0), "", "0")
_LONGEST_DELAY = 100 * 366 * 86_400
_ANY_ANCHOR = datetime(2000, 1, 1, tzinfo=UTC)
"""A repeat counts from an instant that is known only when it is stored; any will do to check it."""
