"""What cannot be read: a job whose row holds no instant where one belongs is ended, and holds up no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import DateTimeField

from worker.clock import database_now
from worker.instants import is_real, leniently
from worker.models import FinishedState, Job, JobState
from worker.queue.fence import UNHELD
from worker.queue.history import end


def end_unreadable(using: str, claim: int) -> int:
    """End as failed the jobs that are ready, or under that claim, and whose instants nobody can read.

    All that is under the claim goes back: its answer could not be read. Returns how many were ended.
    """
    Job.objects.using(using).filter(claim=claim).update(state=JobState.READY, **UNHELD)
    with leniently():
        ready = Job.objects.using(using).filter(state=JobState.READY).values("pk", *_INSTANTS)
        found = {row.pop("pk"): [name for name, at in row.items() if _is_unreadable(name, at)] for row in ready}
    for id, columns in found.items():
        if columns:
            _end_one(using, id, columns)
    return sum(map(bool, found.values()))


def _is_unreadable(column: str, at: datetime | None) -> bool:
    return column not in _OPTIONAL if at is None else not is_real(at)


def _end_one(using: str, id: int, columns: Sequence[str]) -> None:
    reason = f"Its row has no instant that can be read in {' and '.join(columns)}, so it was not run."
    with transaction.atomic(using=using):
        now = database_now(using)
        held = Job.objects.using(using).filter(pk=id, state=JobState.READY)
        held.update(**{name: None if name in _OPTIONAL else now for name in columns})
        end(using, [id], FinishedState.FAILED, reason)


_INSTANTS = [field.name for field in Job._meta.concrete_fields if isinstance(field, DateTimeField)]
_OPTIONAL = {field.name for field in Job._meta.concrete_fields if field.null}
