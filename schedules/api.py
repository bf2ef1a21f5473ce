"""Users' own schedules, made and edited at run time: `schedule(…)` makes one, `get(name)` gives its handle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal, overload

from schedules import changes
from schedules.changes import RevisionConflict, Wanted
from schedules.declarations import Background
from schedules.declarations.configured import task_of
from schedules.declarations.ownership import give_back
from schedules.models import Schedule, Source
from schedules.overview import preview
from schedules.overview.values import Explanation, Preview
from schedules.planning.policies import InvalidPolicy
from schedules.recurrence import InvalidRecurrence
from schedules.spec import InvalidSchedule, spec_of
from worker.calls import Explained
from worker.carry.capturing import captured
from worker.clock import database_now
from worker.messages.echo import quoted
from worker.messages.expected import A_SHORT_TEXT, AN_INSTANT, is_instant, is_short_text, must_be
from worker.models import Job
from worker.options import options as project_options
from worker.tasks import Task

__all__ = [
    "Explanation",
    "Handle",
    "InvalidPolicy",
    "InvalidRecurrence",
    "InvalidSchedule",
    "NoSuchSchedule",
    "Preview",
    "RevisionConflict",
    "get",
    "schedule",
    "schedule_many",
]


class NoSuchSchedule(LookupError):
    """There is no schedule of that name."""


@dataclass(frozen=True)
class Handle:
    """A schedule by its name. Each method is one transaction on SCHEDULER["DATABASE"]."""

    name: str

    @property
    def row(self) -> Schedule:
        """The schedule as it is now. Raises NoSuchSchedule."""
        return _row(self.name)

    @property
    def revision(self) -> str:
        """A short text that changes with each edit of the schedule. A run or a pause does not change it."""
        return changes.revision_of(self.row)

    @overload
    def pause(
        self, reason: str, until: datetime | None = None, *, by: str = "", dry_run: Literal[False] = False
    ) -> None: ...
    @overload
    def pause(self, reason: str, until: datetime | None = None, *, by: str = "", dry_run: Literal[True]) -> Preview: ...
    def pause(
        self, reason: str, until: datetime | None = None, *, by: str = "", dry_run: bool = False
    ) -> Preview | None:
        """Run nothing more until somebody resumes the schedule, or until that aware instant.

        Jobs that wait behind a run are held. Jobs that are ready, running or to be tried again go on: cancel them, if
        they must not run. With `dry_run` this verb and the others change nothing, and return a `Preview`.
        """
        if until is not None and not is_instant(until):
            raise InvalidSchedule(must_be(f"{self.name}: until", until, AN_INSTANT))
        why, who = self._text("reason", reason), self._text("by", by)
        return self._edit(dry_run, changes.pause, reason=why, by=who, until=until)

    @overload
    def resume(self, *, catch_up: bool = False, dry_run: Literal[False] = False) -> None: ...
    @overload
    def resume(self, *, catch_up: bool = False, dry_run: Literal[True]) -> Preview: ...
    def resume(self, *, catch_up: bool = False, dry_run: bool = False) -> Preview | None:
        """End the pause. Runs that came due during it are recorded as paused; with `catch_up` the policy decides."""
        return self._edit(dry_run, changes.resume, catch_up=catch_up)

    def run_now(self, *, by: str = "") -> Job:
        """Enqueue a job at once, and return it. The next run keeps its time."""
        id = changes.run_now(*self._at_once(), by=self._text("by", by))
        return Job.objects.using(project_options().DATABASE).get(pk=id)

    def backfill(
        self,
        start: datetime,
        end: datetime,
        *,
        overlap: str = "queue_all",
        force: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Run the occurrences from `start` to `end` that have no job. Returns how many; `dry_run` only counts.

        overlap: "queue_all" (one after the other) or "allow" (side by side). Raises InvalidSchedule for a range
        that reaches into the future, or beyond the ledger's retention unless `force`.
        """
        return changes.backfill(*self._at_once(), start, end, overlap=overlap, force=force, dry_run=dry_run)

    @overload
    def repair(self, *, dry_run: Literal[False] = False) -> None: ...
    @overload
    def repair(self, *, dry_run: Literal[True]) -> Preview: ...
    def repair(self, *, dry_run: bool = False) -> Preview | None:
        """Count again from now: after the database's clock was set back, or when a broken schedule's cause is gone.

        What it did not run while it was broken will not run, and is in the ledger as broken.

        Raises InvalidSchedule if somebody changes the schedule at the same moment: then look at it again.
        """
        return self._edit(dry_run, changes.repair)

    @overload
    def detach(self, *, dry_run: Literal[False] = False) -> None: ...
    @overload
    def detach(self, *, dry_run: Literal[True]) -> Preview: ...
    def detach(self, *, dry_run: bool = False) -> Preview | None:
        """Make a declared schedule an operator's own: its declaration in code or settings is ignored from then on.

        Raises InvalidSchedule if neither code nor settings declare it.
        """
        return self._edit(dry_run, changes.detach)

    @overload
    def give_back(self, *, dry_run: Literal[False] = False) -> None: ...
    @overload
    def give_back(self, *, dry_run: Literal[True]) -> Preview: ...
    def give_back(self, *, dry_run: bool = False) -> Preview | None:
        """Let the schedule follow the code or settings again that declare its name.

        Raises InvalidSchedule if nothing declares it here, or if it follows its declaration already.
        """
        return self._edit(dry_run, give_back)

    def delete(self) -> None:
        """Remove the schedule with its ledger. Jobs that have not started are cancelled."""
        changes.delete(self.row, project_options().DATABASE)

    def _edit(self, dry_run: bool, verb: Callable[..., object], **given: Any) -> Preview | None:
        row, alias, now = self._at_once()
        edit = partial(verb, row, alias, now, **given)
        if dry_run:
            return preview(row.identity, edit, alias, now)
        edit()
        return None

    def _at_once(self) -> tuple[Schedule, str, datetime]:
        """What a verb is given: the schedule as it stands, its database, and what time it is there."""
        alias = project_options().DATABASE
        return self.row, alias, database_now(alias)

    def _text(self, what: str, value: object) -> str:
        value = "" if value is None else value
        if is_short_text(value):
            return value
        raise InvalidSchedule(must_be(f"{self.name}: {what}", value, A_SHORT_TEXT))


@overload
def schedule(
    task: Background[Any, Any, Any] | Task | str,
    *,
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    enabled: bool = True,
    revision: str | None = None,
    dry_run: Literal[False] = False,
    **options: Any,
) -> Handle: ...
@overload
def schedule(
    task: Background[Any, Any, Any] | Task | str,
    *,
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    enabled: bool = True,
    revision: str | None = None,
    dry_run: Literal[True],
    **options: Any,
) -> Preview: ...
def schedule(
    task: Background[Any, Any, Any] | Task | str,
    *,
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    enabled: bool = True,
    revision: str | None = None,
    dry_run: bool = False,
    **options: Any,
) -> Handle | Preview:
    """Make a schedule of that name, or edit the one that the API made before: `cron=…`, `repeat=…` or `run_at=…`.

    task: what a decorator made, or the task's name. args, kwargs: what each run is given. revision: `Handle.revision`,
    as you read it. dry_run: change nothing, and return a `Preview`. options: as in settings.SCHEDULES.

    Returns the handle, or the `Preview`. If the recurrence means the same as before, the next run stays. The name of a
    retired schedule may be used again: its row goes on as this schedule, with its history. Raises InvalidSchedule if
    an option cannot work, and RevisionConflict if somebody has edited the schedule since that revision.
    """
    given = {"args": args, "kwargs": kwargs, "enabled": enabled, "revision": revision}
    where = f"schedule(name={quoted(name)})"
    wanted = [_wanted({"task": task, "name": name, **given, **options}, where)]
    (made,) = _previews(wanted, where) if dry_run else _scheduled(wanted, where)
    return made


@overload
def schedule_many(entries: Iterable[Mapping[str, Any]], *, dry_run: Literal[False] = False) -> list[Handle]: ...
@overload
def schedule_many(entries: Iterable[Mapping[str, Any]], *, dry_run: Literal[True]) -> list[Preview]: ...
def schedule_many(entries: Iterable[Mapping[str, Any]], *, dry_run: bool = False) -> list[Handle] | list[Preview]:
    """The same as `schedule` for each entry, in a few statements for all of them: all is done, or nothing.

    entries: dictionaries of what `schedule` takes by name, `task` and `name` at the least. Returns the handles, in
    order. Raises InvalidSchedule or RevisionConflict, which say the place of the entry in the list, and its name; also
    for two entries of one name. dry_run: change nothing, and say what each of them would do by itself.
    """
    wanted: list[Wanted] = []
    places: dict[str, int] = {}
    for place, entry in enumerate(entries):
        where = f"schedule_many[{place}]"
        if not isinstance(entry, Mapping):
            raise InvalidSchedule(must_be(where, entry, 'a dictionary such as {"task": …, "name": …, "cron": …}'))
        where = f"{where} (name={quoted(entry.get('name', ''))})"
        each = replace(_wanted(entry, where), where=where)
        if (before := places.setdefault(each.spec.identity, place)) != place:
            raise InvalidSchedule(f"{where}: entry {before} has the same name, and one schedule has one entry.")
        wanted.append(each)
    return _previews(wanted, "schedule_many(…)") if dry_run else _scheduled(wanted, "schedule_many(…)")


def get(name: str) -> Handle:
    """The handle of a schedule, whoever made it. Raises NoSuchSchedule."""
    return Handle(_row(name).name)


def _row(name: str) -> Schedule:
    alias = project_options().DATABASE
    with Explained(f"get({quoted(name)})", alias, _IN_ASYNC_CODE):
        row = Schedule.objects.using(alias).named(name).first()
    if row is None:
        raise NoSuchSchedule(f"There is no schedule {quoted(name)}. See manage.py list_schedule.")
    return row


def _wanted(entry: Mapping[str, Any], where: str) -> Wanted:
    spec = spec_of(
        task_of(entry.get("task"), where),
        where=where,
        name=entry.get("name", ""),
        source=Source.API,
        args=entry.get("args", ()),
        kwargs=entry.get("kwargs"),
        enabled=entry.get("enabled", True),
        carried=captured(where),
        options={option: value for option, value in entry.items() if option not in _OF_ENTRY},
    )
    return Wanted(spec, revision=entry.get("revision"))


def _scheduled(wanted: Sequence[Wanted], where: str) -> list[Handle]:
    alias = project_options().DATABASE
    with Explained(where, alias, _IN_ASYNC_CODE):
        return [Handle(row.name) for row in changes.all_in_line(wanted, alias)]


def _previews(wanted: Sequence[Wanted], where: str) -> list[Preview]:
    """Each would be made alone."""
    alias = project_options().DATABASE
    with Explained(where, alias, _IN_ASYNC_CODE):
        now = database_now(alias)
        return [
            preview(each.spec.identity, partial(changes.all_in_line, [each], alias, now), alias, now) for each in wanted
        ]


_OF_ENTRY = ("task", "name", "args", "kwargs", "enabled", "revision")
"""What an entry says besides the options of its schedule."""
_IN_ASYNC_CODE = "await asgiref.sync.sync_to_async(…)(…)"
