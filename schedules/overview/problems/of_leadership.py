"""Problems of leadership: does a process turn schedules into jobs?"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from schedules.overview.scope import Scope
from schedules.overview.values import Problem
from worker import masking


def no_leader(scope: Scope) -> Iterator[Problem]:
    """It matters once a schedule needs one."""
    if scope.term is None and _is_needed(scope):
        yield Problem(
            "no-leader",
            _("Nothing is being scheduled: %(since)s. Start manage.py process_tasks --leader.")
            % {"since": _since(scope)},
        )


def trouble(scope: Scope) -> Iterator[Problem]:
    if scope.term is not None and scope.term.trouble:
        yield Problem("leader-trouble", f"{scope.term.leader}: {masking.text(scope.term.trouble)}")


def two_projects(scope: Scope) -> Iterator[Problem]:
    """Each would take what the other declares for what has left its own code."""
    if scope.term is not None and scope.term.others:
        projects = ", ".join([scope.term.project, *scope.term.others.splitlines()])
        yield Problem(
            "two-projects",
            _(
                "Several projects declare schedules in the same tables: %(projects)s. While this lasts, no "
                "schedule is retired."
            )
            % {"projects": masking.line(projects)},
        )


def _is_needed(scope: Scope) -> bool:
    """The first question finds a row at once, if there is one."""
    return scope.all_rows.planned().exists() or scope.all_rows.in_force().exists() or bool(scope.unsynced)


def _since(scope: Scope) -> str:
    if scope.last_term is None:
        return _("no process has ever led")
    return _("no process has led for %(seconds)d s, the last was %(leader)s") % {
        "seconds": (scope.now - scope.last_term.renewed_at).total_seconds(),
        "leader": scope.last_term.leader,
    }
