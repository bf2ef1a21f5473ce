"""Problems: states that need attention, found by queries.

Each kind of problem is one function in `KINDS`. Each problem has a stable code and a sentence. A function asks by an
index, so its cost follows the number of problems, and not the number of schedules. Faults in code and settings are
found by `checks`. It only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db import DatabaseError, connections
from django.utils.translation import gettext as _

from schedules.overview.problems import of_declarations, of_jobs, of_leadership, of_schedules, of_upkeep, of_workers
from schedules.overview.problems.of_declarations import detached, names_taken, seem_renamed
from schedules.overview.problems.of_leadership import two_projects
from schedules.overview.scope import Scope
from schedules.overview.values import Problem
from worker import masking

__all__ = ["KINDS", "detached", "find", "names_taken", "not_migrated", "seem_renamed", "two_projects", "without_tables"]

KINDS: tuple[Callable[[Scope], Iterable[Problem]], ...] = (
    of_leadership.no_leader,
    of_leadership.trouble,
    two_projects,
    of_declarations.misdeclared,
    of_declarations.not_synced,
    names_taken,
    seem_renamed,
    of_schedules.undecided,
    of_schedules.unknown_tasks,
    of_schedules.failing,
    of_jobs.overdue,
    of_jobs.unknown_tasks,
    of_jobs.left_behind,
    of_jobs.failed,
    of_workers.dead_slots,
    of_workers.unrecorded,
    of_upkeep.refused_chores,
)


def find(scope: Scope) -> tuple[Problem, ...]:
    """What concerns everything, then schedules by name, then queues."""
    found = dict.fromkeys(problem for ask in KINDS for problem in _asked(ask, scope))
    return tuple(sorted(found, key=_place))


def without_tables(scope: Scope) -> tuple[Problem, ...]:
    """All that can be told before there are tables."""
    return not_migrated(scope.using), *of_declarations.misdeclared(scope)


def not_migrated(using: str) -> Problem:
    return Problem(
        "not-migrated",
        _('The tables are missing in database "%(database)s". Run manage.py migrate --database %(database)s.')
        % {"database": using},
    )


def _asked(ask: Callable[[Scope], Iterable[Problem]], scope: Scope) -> list[Problem]:
    """A table that is away, or may not be read, hides no other kind of problem."""
    try:
        return [*ask(scope)]
    except DatabaseError as error:
        if not connections[scope.using].is_usable():
            raise
        why = masking.line(str(error).partition("\n")[0])
        return [Problem("unreadable", _("Our own tables cannot be read: %(why)s") % {"why": why})]


def _place(problem: Problem) -> tuple[bool, bool, str]:
    return problem.queue is not None, problem.schedule is not None, problem.schedule or ""
