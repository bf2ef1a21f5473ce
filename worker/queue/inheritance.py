"""Take the jobs of dead workers, so that others run them. A job that kills its workers is given up."""

from __future__ import annotations

from collections.abc import Sequence, Set

from django.db import transaction
from django.db.models import F, Q, QuerySet

from worker import signals, wakeup
from worker.models import FinishedState, Job, JobState, WorkerProcess
from worker.queue.asked import ASKED
from worker.queue.fence import UNHELD
from worker.queue.history import end
from worker.refusals import Refused, by_halves, is_refusal

MOST_INTERRUPTIONS = 3


def rescue(using: str, limit: int, refused: Refused | None = None) -> int:
    """Give to others up to `limit` jobs that workers hold who are not on the roster. Returns how many that were.

    `refused`: those that the database would not change, which are passed over; others of the kind are added.

    A job whose workers died again and again may be what kills them: it is given up as failed. One whose end is being
    recorded just now is left for the next time: its worker may stand still in the middle of that, and whoever waited
    for it would stand still too.
    """
    if not (dead := _holders_off_the_roster(using)):
        return 0
    refused = {} if refused is None else refused
    held = _held_by(dead, using).exclude(pk__in=list(refused))
    try:
        count, given_up = _rescue(using, held, limit)
    except Exception as error:
        if not is_refusal(error, using):
            raise
        count, given_up = _rescue_by_halves(using, held, limit, refused)
    if count:
        wakeup.announce({wakeup.READY}, using)
        signals.jobs_rescued.send_robust(None, count=count, given_up=given_up)
    return count


def _rescue(using: str, held: QuerySet[Job], limit: int) -> tuple[int, int]:
    """How many were taken from the dead, and how many of them were given up."""
    with transaction.atomic(using=using):
        free = held.select_for_update(skip_locked=True)
        rescued = Job.objects.using(using).filter(pk__in=list(free.values_list("pk", flat=True)[:limit]))
        count = rescued.update(state=JobState.READY, interruptions=F("interruptions") + 1, **UNHELD)
        end(using, rescued.filter(ASKED).values_list("pk", flat=True), FinishedState.CANCELLED, "")
        deadly = rescued.filter(interruptions__gte=MOST_INTERRUPTIONS)
        given_up = end(using, deadly.values_list("pk", flat=True), FinishedState.FAILED, _DEADLY)
    return count, len(given_up)


def _rescue_by_halves(using: str, held: QuerySet[Job], limit: int, refused: Refused) -> tuple[int, int]:
    """The same: what the database refuses to change stays as it is, and holds up no other."""
    known, given_up = set(refused), 0

    def rescue_these(ids: Sequence[int]) -> int:
        nonlocal given_up
        count, deadly = _rescue(using, held.filter(pk__in=ids), len(ids))
        given_up += deadly
        return count

    count = 0
    try:
        for some in by_halves(list(held.values_list("pk", flat=True)[:limit]), rescue_these, using, refused):
            count += some
    except Exception as error:
        if not is_refusal(error, using):
            raise
    for id in refused.keys() - known:
        signals.rescue_refused.send_robust(None, id=id, error=refused[id])
    return count, given_up


def _holders_off_the_roster(using: str) -> set[int]:
    """First who holds jobs, then who is there: whoever signs in in between, and claims, is not among the holders."""
    running = Job.objects.using(using).filter(state=JobState.RUNNING)
    named = running.order_by().values_list("worker_id", flat=True).distinct()
    holders = {worker if isinstance(worker, int) else NOBODY for worker in named}
    return holders - set(WorkerProcess.objects.using(using).filter(pk__in=holders).values_list("pk", flat=True))


def _held_by(workers: Set[int], using: str) -> QuerySet[Job]:
    theirs = Q(worker_id__in=workers - {NOBODY})
    if NOBODY in workers:
        theirs |= Q(worker_id=None) | Q(worker_id__gte=_GREATEST)  # in SQLite a text is greater than any number
    return Job.objects.using(using).filter(theirs, state=JobState.RUNNING)


_GREATEST = 2**63 - 1
NOBODY = 0
"""No worker has that id."""
_DEADLY = f"{MOST_INTERRUPTIONS} workers died while they held it, so it is not tried again."
