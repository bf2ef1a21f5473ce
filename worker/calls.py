"""A call of a task, checked → a job to enqueue. It does not know calls that repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections, models, transaction

from worker import queue, tasks
from worker.arguments import Call, as_json, encode, encode_each
from worker.arguments.sealed import CannotDecode, opened
from worker.carry.capturing import captured
from worker.carry.stored import with_carried
from worker.codec import sealed
from worker.dialects import dialect_of
from worker.messages.echo import echo
from worker.messages.expected import A_FLAG, A_SHORT_TEXT, AN_INSTANT, is_instant, is_number, is_short_text, must_be
from worker.models import Job, JobState
from worker.options import options
from worker.parameters import Parameters
from worker.tasks import Task, UnknownTask, priority_problem, queue_problem
from worker.values import NewJob

JOB = ("queue", "priority", "verbose_name", "creator")
"""What may be said of a job, whatever makes it."""
CALL = ("schedule", *JOB, "remove_existing_tasks")
"""What a call that makes a job may say besides the task's own arguments."""

LONGEST_DELAY = 100 * 366 * 86_400


class InvalidCall(ValueError):
    """An option of a call could not work; the message says which, and what is expected."""

    __module__ = "worker.api"


class TablesMissing(DatabaseError):
    """A call is made in a database without the tables of the queue."""

    __module__ = "worker.api"


@dataclass(frozen=True, slots=True)
class Explained:
    """Around the statements of a call: says what to do where the tables are missing, or where nobody may wait for them.

    `instead`: what to write in async code.
    """

    where: str
    using: str
    instead: str

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, SynchronousOnlyOperation):
            raise SynchronousOnlyOperation(f"{self.where} in async code: write {self.instead}.") from error
        if isinstance(error, DatabaseError) and dialect_of(connections[self.using]).words.misses_table(error):
            raise TablesMissing(
                f'{self.where}: the tables are missing in database "{self.using}": run manage.py migrate, and make no '
                "call while a module is imported, which would come before it; @scheduled declares without a call."
            ) from error


@dataclass(frozen=True, slots=True)
class Start:
    """When a job, or the first run of a repeat, is to start: so many seconds from now, or at an instant."""

    delay: float = 0.0
    at: datetime | None = None

    @property
    def run_after(self) -> datetime | timedelta | None:
        """As a Task of Django's framework says it."""
        return self.at or (timedelta(seconds=self.delay) if self.delay else None)


class Calls:
    """The calls of a task with these options of `CALL`. The jobs that they make differ in their arguments alone.

    `where` opens the message of the InvalidCall that is raised for an option that could not work.
    """

    def __init__(self, task: Task, parameters: Parameters, given: Mapping[str, Any], where: str) -> None:
        self._task = task
        self._parameters = parameters
        self._where = where
        try:
            start = start_of(given["schedule"]) if given.get("schedule") is not None else Start()
            self._replaces = replaces(given)
            self._alike = {
                "state": str(JobState.SCHEDULED if start.at or start.delay else JobState.READY),
                "run_at": start.at,
                "delay": start.delay,
                **job_options(task, given),
            }
        except InvalidCall as fault:
            raise InvalidCall(f"{where}: {fault}") from fault

    def enqueue(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Job:
        """Raises TypeError for arguments that do not fit the task's function, or are not JSON; CarrierFailed."""
        self._parameters.require(args, kwargs)
        alias = options().DATABASE
        job = self._job(sealed(encode(args, kwargs, self._where)))
        with (
            Explained(self._where, alias, "await ….aenqueue(…)"),
            replacing(job.task, job.arguments, self._parameters, alias) if self._replaces else _REPLACING_NOTHING,
        ):
            return _enqueued(job, *queue.enqueue(job, alias), alias)

    def enqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[int]:
        """One job for each `(args, kwargs)`: all of them, or none. Returns the ids of the jobs."""
        task, _, *alike = self._job(arguments="")
        arguments = encode_each([self._required(call) for call in calls])
        if options().CODEC is not None:
            arguments = list(map(sealed, arguments))
        jobs = [NewJob._make((task, text, *alike)) for text in arguments]
        alias = options().DATABASE
        with Explained(self._where, alias, "await ….aenqueue_many(…)"):
            return queue.enqueue_many(jobs, alias)

    def _job(self, arguments: str) -> NewJob:
        return NewJob(
            self._task.name,
            arguments,
            max_attempts=self._task.attempts_allowed,
            task_options=with_carried(None, captured(self._where)) if options().CARRY else None,
            **self._alike,
        )

    def _required(self, call: object) -> Call:
        if isinstance(call, (tuple, list)) and len(call) == 2:
            args, kwargs = call
            plain = as_json(args, kwargs, self._where)
            self._parameters.require(args, kwargs)
            return plain
        raise TypeError(f"{self._task.name}: enqueue_many takes pairs (args, kwargs), but was given {echo(call)}.")


@contextmanager
def replacing(task: str, arguments: str, parameters: Parameters, using: str) -> Iterator[None]:
    """One transaction, in which the jobs of equal calls that nobody has started are cancelled first."""
    with transaction.atomic(using=using):
        queue.cancel_equal(task, arguments, "replaced by a later call", using, meaning=parameters.meaning)
        yield


def mean_the_same(task: str, one: str, other: str) -> bool:
    """Whether both are the arguments of one call of that task, however they are spelled."""
    if one == other:
        return True
    try:
        one, other = opened(one), opened(other)
        parameters = Parameters(tasks.get(task).function, task)
    except CannotDecode:
        return False
    except (UnknownTask, TypeError, ValueError):
        return one == other
    return parameters.meaning(one) == parameters.meaning(other)


# What the options say. Each raises InvalidCall.


def job_options(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `JOB` as they are stored, with the task's own as defaults."""
    queue_name, priority = given.get("queue"), given.get("priority")
    queue_name = task.queue if queue_name is None else queue_name
    priority = task.priority if priority is None else priority
    for fault in (queue_problem(queue_name), priority_problem(priority)):
        if fault:
            raise InvalidCall(fault)
    return {
        "queue": queue_name,
        "priority": priority,
        "verbose_name": _text("verbose_name", given.get("verbose_name")),
        "creator": creator_of(given.get("creator")),
    }


def start_of(schedule: object) -> Start:
    """The option `schedule`: seconds from now (not negative), a timedelta, or an aware datetime."""
    if is_instant(schedule):
        return Start(at=schedule)
    seconds = schedule.total_seconds() if isinstance(schedule, timedelta) else schedule
    if is_number(seconds, 0, LONGEST_DELAY):
        return Start(delay=float(seconds))
    raise InvalidCall(
        must_be("schedule", schedule, f"seconds from now (0 to {LONGEST_DELAY}), a timedelta, or {AN_INSTANT}")
    )


def replaces(given: Mapping[str, Any]) -> bool:
    """The option `remove_existing_tasks`."""
    value = given.get("remove_existing_tasks", False)
    if isinstance(value, bool):
        return value
    raise InvalidCall(must_be("remove_existing_tasks", value, A_FLAG))


def creator_of(value: object) -> str:
    """The option `creator`: a text, or a model instance."""
    if isinstance(value, models.Model):
        if value.pk is None:
            raise InvalidCall(f"creator is an unsaved {value._meta.label}: save it first.")
        value = f"{value._meta.label}:{value.pk}"
    return _text("creator", value)


def _text(option: str, value: object) -> str:
    value = "" if value is None else value
    if is_short_text(value):
        return value
    raise InvalidCall(must_be(option, value, A_SHORT_TEXT))


def _enqueued(job: NewJob, id: int, enqueued_at: datetime, alias: str) -> Job:
    """The job as a model instance, without reading it: what else the database decided is fetched when asked for."""
    return Job.from_db(alias, _TOLD, _in_order((*job, id, enqueued_at)))


_KNOWN = (*NewJob._fields, "id", "enqueued_at")
_NAMES = [
    field.attname
    for field in Job._meta.concrete_fields
    if field.attname in _KNOWN and field.attname != "run_at"  # it may have been a delay
]
_TOLD = frozenset(_NAMES)
"""Django asks of each field whether it is among them."""
_in_order = itemgetter(*map(_KNOWN.index, _NAMES))
_REPLACING_NOTHING: AbstractContextManager[None] = nullcontext()
