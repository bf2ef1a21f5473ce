"""The revision of a schedule's values, so that two editors notice each other. A tick or a pause does not change it.

A mark is made with the project's SECRET_KEY: a person who sees one learns nothing about hidden arguments.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from hashlib import sha256

from django.conf import settings
from django.utils.encoding import force_bytes

from schedules.models import Schedule
from schedules.planning.columns import POLICIES, TIMING
from schedules.spec import FROM_TASK, InvalidSchedule
from worker.arguments.sealed import CannotDecode, opened
from worker.carry.stored import options_alone

LENGTH = 16
SAID = (
    *TIMING,
    *POLICIES,
    "task",
    "arguments",
    "verbose_name",
    "creator",
    *sorted(FROM_TASK),
    "task_options",
    "source",
    "retired_at",
)


class RevisionConflict(InvalidSchedule):
    """Somebody else has changed the schedule meanwhile."""

    __module__ = "schedules.api"


def marks_of(row: Schedule) -> dict[str, str]:
    """By column, a mark that another value would not have."""
    return {name: _mark(f"{row.pk} {name} {_said(row, name)!r}") for name in SAID}


def revision_of(row: Schedule) -> str:
    """One mark for all of it."""
    return _mark(" ".join(marks_of(row).values()))


def require_revision(row: Schedule, revision: str | None) -> None:
    """Raises RevisionConflict. None: whatever it was."""
    if revision is not None and revision != revision_of(row):
        raise RevisionConflict(
            f"{row.name}: it was changed, or deleted and made anew, after this revision was read. "
            "Read it again, and repeat the edit."
        )


def _said(row: Schedule, column: str) -> object:
    """What it has from its task is not said of it, nor what its runs carry. An equal text may be encoded anew."""
    if column == "task_options":
        return options_alone(row.task_options)
    if column == "arguments":
        with suppress(CannotDecode):
            return opened(row.arguments)
    return None if column in FROM_TASK and column not in row.own_options.split() else getattr(row, column)


def _mark(text: str) -> str:
    keyed = hmac.new(force_bytes(settings.SECRET_KEY), f"schedules.changes.revisions {text}".encode(), sha256)
    return keyed.hexdigest()[:LENGTH]
