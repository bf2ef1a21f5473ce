"""Rename a schedule: its row goes on, with its ledger, its instants, a pause and its jobs.

`H` and jitter are still computed from its first name. The former names are kept, because processes of the release
before know only these.
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
