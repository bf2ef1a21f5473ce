"""Whether what code and settings declare has become schedules."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import ngettext

from schedules.declarations.configured import in_settings
from schedules.overview.scope import Scope
from schedules.overview.values import Problem


def misdeclared(scope: Scope) -> Iterator[Problem]:
    return (Problem("misdeclared", fault) for fault in in_settings().problems)


def not_synced(scope: Scope) -> Iterator[Problem]:
    names = [spec.name for spec in scope.unsynced]
    if names:
        yield Problem(
            "not-synced",
            ngettext(
                "%(count)d schedule is declared here and not in the database (%(first)s). "
                "Start or restart manage.py process_tasks --leader.",
                "%(count)d schedules are declared here and not in the database (%(first)s …). "
                "Start or restart manage.py process_tasks --leader.",
                len(names),
            )
            % {"count": len(names), "first": min(names)},
        )
