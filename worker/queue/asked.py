"""Jobs that somebody has asked to stop while they ran: whatever would run them again ends them instead.

Only `cancel_reason` tells of it, which a claim does not read: no job that waits has one.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet

from worker.models import FinishedState, Job, JobState
from worker.queue.fence import UNHELD
from worker.queue.history import end

ASKED, UNASKED = Q(cancel_reason__isnull=False), Q(cancel_reason=None)


def let_go(running: QuerySet[Job], using: str, expected: int | None = None) -> int:
    """Give back jobs that run as if they had not been claimed; those that were asked to stop end as cancelled.

    `expected`: how many there are at the most. Returns how many were given back, or have ended.
    """
    count = running.filter(UNASKED).update(state=JobState.READY, **UNHELD)
    return count if count == expected else count + _end(running.filter(ASKED), using)


def _end(asked: QuerySet[Job], using: str) -> int:
    """As cancelled, with the reason in their rows."""
    if not (ids := list(asked.values_list("pk", flat=True))):
        return 0
    with transaction.atomic(using=using):
        asked.filter(pk__in=ids).update(state=JobState.READY, **UNHELD)
        return len(end(using, ids, FinishedState.CANCELLED, ""))
