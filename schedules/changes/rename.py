"""Another name for the same schedule: its row goes on, with its ledger, its grid, a pause and its jobs.

What is drawn from a name, `H` and jitter, stays drawn from the first one. The former names are kept, since processes of
the release before know no other.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from schedules.changes.row import locked, put, tell
from schedules.models import Schedule, identity_of


def rename(schedule: Schedule, name: str, using: str, now: datetime) -> None:
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        names = [*row.former_names, *([] if row.name in row.former_names else [row.name])]
        put(row, name=name, identity=identity_of(name), formerly="\n".join(names), changed_at=now)
    tell(row, "renamed", using)
