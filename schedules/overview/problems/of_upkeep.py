"""What the database refuses of the upkeep: to promote, to rescue, to prune and the like, wholly or for some rows."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from schedules.overview.scope import Scope
from schedules.overview.values import Problem
from worker import masking


def refused_chores(scope: Scope) -> Iterator[Problem]:
    """Of the leader, and of workers that stand in for one."""
    does_it = [(scope.term.leader, scope.term.chores_refused)] if scope.term else []
    does_it += [(worker.name, worker.chores_refused) for worker in scope.workers]
    for name, refused in does_it:
        for chore in refused.splitlines():
            words = {"name": name, "chore": masking.line(chore)}
            yield Problem("chore-refused", _("The database refuses upkeep by %(name)s: %(chore)s") % words)
