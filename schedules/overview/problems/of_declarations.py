"""Problems of declarations: have those in code and settings become schedules?"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from schedules.declarations.configured import in_settings
from schedules.overview.scope import Scope
from schedules.overview.values import Problem

_TAKEN = _(
    'The declaration of "%(name)s" in %(place)s is ignored: a schedule of that name, which runs %(task)s, %(owned)s. '
    "Give one of them another name, or give the schedule back to the code."
)

_RENAMED = _(
    '"%(name)s" is new here and does the same as "%(formerly)s", which is not declared any more. It would be a new '
    'schedule, and both would run for ten minutes. If it was renamed, add renamed_from="%(formerly)s".'
)


def misdeclared(scope: Scope) -> Iterator[Problem]:
    return (Problem("misdeclared", fault) for fault in in_settings().problems)


def names_taken(scope: Scope) -> Iterator[Problem]:
    """What is declared, and whose name belongs to a schedule that somebody made otherwise. That one goes on."""
    for spec, owner in scope.owned:
        if owner is None or owner.is_declared or owner.is_detached:
            continue
        if scope.selection.concerns(spec):
            words = {"name": spec.name, "place": spec.declared_in, "owned": owner.owned, "task": owner.task}
            yield Problem("name-taken", _TAKEN % words, spec.name)


def seem_renamed(scope: Scope) -> Iterator[Problem]:
    """What a leader with this code would begin anew, beside what it would retire."""
    for spec, name in scope.lookalikes:
        if scope.selection.concerns(spec):
            yield Problem("seems-renamed", _RENAMED % {"name": spec.name, "formerly": name}, spec.name)


def detached(scope: Scope) -> Iterator[tuple[str, str]]:
    """Names and places of declarations that somebody has detached their schedules from. That is no problem."""
    for spec, owner in scope.owned:
        if owner is not None and owner.is_detached:
            yield spec.name, spec.declared_in


def not_synced(scope: Scope) -> Iterator[Problem]:
    names = [spec.name for spec in scope.unsynced]
    if names:
        yield Problem(
            "not-synced",
            ngettext(
                "%(count)d schedule is declared in the code or settings, but is not in the database (%(first)s). "
                "Start or restart manage.py process_tasks --leader.",
                "%(count)d schedules are declared in the code or settings, but are not in the database (%(first)s …). "
                "Start or restart manage.py process_tasks --leader.",
                len(names),
            )
            % {"count": len(names), "first": min(names)},
        )
