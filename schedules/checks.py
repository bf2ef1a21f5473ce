"""System checks of schedules: faults in declarations, and effects that may surprise. Ids: docs/reference/checks.md.

They look at code and settings. They ask the database only if Django says that they may. Whether there is a leader, and
how runs go, is not for checks: see `list_schedule --check`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Error, Info, Tags
from django.db import DatabaseError, connections, router

from schedules.declarations import background_tasks, in_code
from schedules.declarations.configured import in_settings
from schedules.declarations.sync import declared
from schedules.leader.lock import lock_on
from schedules.models import Schedule
from schedules.overview.problems import detached, names_taken, seem_renamed, two_projects
from schedules.overview.scope import Scope
from schedules.overview.upcoming import row_of
from schedules.recurrence import Cron, InvalidRecurrence
from schedules.recurrence.zones import check_timezone, local
from schedules.spec import Spec
from worker.clock import database_now
from worker.messages.pages import address
from worker.models import Job
from worker.options import options, problems
from worker.sessions.connection import behind_pooler
from worker.wakeup.asking import longest_wait

YEAR = timedelta(days=365)
GAPS = 100
"""So many are looked at to find the shortest between two runs."""
REMEDY_OF_PROJECTS = "Give each project a database or a schema of its own."
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@checks.register("schedules")
def check_declarations(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if any(problems()):  # without options nothing that is declared can be read; worker.E001 says so
        return []
    return [
        *_wrong_settings(),
        *_unrouted(),
        *_unknown_time_zone(),
        *_shadowed_options(),
        *_taken_keywords(),
        *_declared_twice(),
        *_crowded_jitter(),
        *_over(datetime.now(UTC)),
    ]


@checks.register("schedules", deploy=True)
def check_clock_changes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What is well as it is, and good to know before a deploy: no other command shows it."""
    return [] if any(problems()) else [*_clock_changes(datetime.now(UTC))]


@checks.register(Tags.database)
def check_pooler(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What the processes will run with, where it is not what a database of that kind usually allows."""
    if any(problems()) or options().DATABASE not in (databases or ()):
        return []
    alias = options().DATABASE
    try:
        if not behind_pooler(connections[alias]):
            return []
        lock = lock_on(alias).kind
    except DatabaseError:  # a server that does not answer is shown by whatever needs it
        return []
    return [
        Info(
            f'A pooler is in front of database "{alias}": the leader\'s lock is held for a {lock}, '
            f"and processes look for work at least every {longest_wait(alias):.1f} s.",
            hint=f"{address('how-to/poolers.md')} says what that means.",
            id="schedules.I002",
        )
    ]


@checks.register(Tags.database)
def check_rows(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What is declared, beside what the tables have."""
    if any(problems()) or options().DATABASE not in (databases or ()):
        return []
    alias = options().DATABASE
    try:
        scope = Scope(alias, database_now(alias))
        return [*_two_projects(scope), *_owners(scope)] if scope.has_tables else []
    except DatabaseError:  # a server that does not answer is shown by whatever needs it
        return []


def _two_projects(scope: Scope) -> Iterator[CheckMessage]:
    for each in two_projects(scope):
        yield checks.Warning(each.message, hint=REMEDY_OF_PROJECTS, id="schedules.W004")


def _owners(scope: Scope) -> Iterator[CheckMessage]:
    for each in names_taken(scope):
        yield checks.Warning(each.message, id="schedules.W006")
    for each in seem_renamed(scope):
        yield checks.Warning(each.message, id="schedules.W007")
    for name, place in detached(scope):
        yield Info(
            f'The schedule "{name}" was detached, so its declaration in {place} is ignored.',
            hint="Give it back to the code in the admin, or by give_back() in schedules.api.",
            id="schedules.I003",
        )


def _wrong_settings() -> Iterator[CheckMessage]:
    return (Error(problem, id="schedules.E001") for problem in in_settings().problems)


def _unrouted() -> Iterator[CheckMessage]:
    alias = options().DATABASE
    if alias == "default":
        return
    models = (Job, Schedule)
    routed = (router.db_for_write(each) == alias and router.allow_migrate_model(alias, each) for each in models)
    if not all(routed):
        yield checks.Warning(
            f'SCHEDULER["DATABASE"] is "{alias}", but no router sends the models of schedules and worker there: '
            "migrate creates their tables in every database, and your own queries ask another database.",
            hint='Append "schedules.routers.SchedulerRouter" to DATABASE_ROUTERS.',
            id="schedules.W008",
        )


def _unknown_time_zone() -> Iterator[CheckMessage]:
    try:
        check_timezone(options().time_zone)
    except InvalidRecurrence as fault:
        setting = 'SCHEDULER["TIME_ZONE"]' if options().TIME_ZONE else "TIME_ZONE"
        yield Error(f"{setting}: {fault}", hint="The names known here are those of pytz.", id="schedules.E002")


def _shadowed_options() -> Iterator[CheckMessage]:
    for task in background_tasks():
        for name in task.shadowed:
            yield checks.Warning(
                f'The parameter "{name}" of task {task.task.name} has the name of an option, '
                "so a direct call cannot pass it as a keyword.",
                hint=f"Rename it, or call .using(…).enqueue({name}=…).",
                id="schedules.W001",
            )


def _taken_keywords() -> Iterator[CheckMessage]:
    """Its author sees no name that is taken: the function takes any, and some of them never reach it."""
    for task in background_tasks():
        if task.parameters.takes_any_keyword:
            yield checks.Warning(
                f"Task {task.task.name} takes any keyword (**kwargs), but a direct call takes those that are options "
                "(queue=, priority=, repeat= …) for itself.",
                hint="Name its parameters, or call .enqueue(queue=…), which passes all of them to the task.",
                id="schedules.W009",
            )


def _declared_twice() -> Iterator[CheckMessage]:
    by_name = {spec.name: spec for spec in in_code()}
    for spec in in_settings().specs:
        if spec.name in by_name:
            yield checks.Warning(
                f'The schedule "{spec.name}" is declared in {by_name[spec.name].declared_in} and in SCHEDULES; '
                "the settings win.",
                hint="Give one of them another name.",
                id="schedules.W002",
            )


def _crowded_jitter() -> Iterator[CheckMessage]:
    for spec in declared():
        if spec.policies.jitter and (gap := _shortest_gap(spec)) and gap < spec.policies.jitter:
            yield checks.Warning(
                f'The schedule "{spec.name}" has a jitter of {spec.policies.jitter} s, but two of its runs are only '
                f"{gap} s apart: they are spread over no more than that.",
                hint=f"Set jitter to at most {gap}.",
                id="schedules.W003",
            )


def _over(now: datetime) -> Iterator[CheckMessage]:
    for spec in declared():
        until = spec.policies.repeat_until
        if until is not None and until < now:
            yield checks.Warning(
                f'The schedule "{spec.name}" was to repeat until {until.isoformat()}, which is past: '
                "it does not run any more.",
                hint="Give it a later repeat_until, or take its declaration out.",
                id="schedules.W005",
            )


def _clock_changes(now: datetime) -> Iterator[CheckMessage]:
    for spec in declared():
        days = _days_of_clock_changes(spec, now)
        if days:
            number = f"{len(days)} day{'' if len(days) == 1 else 's'}"
            yield Info(
                f'"{spec.cron}" in {spec.timezone} falls in a clock change on {number} a year.',
                hint=f'The schedule "{spec.name}", next on {min(days)}: {days[min(days)]} '
                f"To choose otherwise: {address('explanation/dst.md')}.",
                id="schedules.I001",
            )


def _shortest_gap(spec: Spec) -> int | None:
    """Seconds between the two of many runs that are closest."""
    instants = islice(row_of(spec, SOME_TIME).recurrence.between(SOME_TIME, SOME_TIME + 10 * YEAR), GAPS)
    gaps = ((later - earlier).total_seconds() for earlier, later in pairwise(instants))
    return int(min(gaps, default=0)) or None


def _days_of_clock_changes(spec: Spec, now: datetime) -> dict[str, str]:
    """The days of the coming year on which fixed times are skipped or repeated, and what happens then."""
    recurrence = row_of(spec, now).recurrence
    if not isinstance(recurrence, Cron):
        return {}
    changes = recurrence.clock_changes(now, now + YEAR)
    return {f"{local(change.instant, spec.timezone):%Y-%m-%d}": change.effect for change in changes}
