"""Into history: record the outcomes of jobs under their fences, and end jobs that no worker holds.

History may already have the id of a job: its sequence was set back, or history came from a backup. Such a job goes
there under a new id, with what it has reported, and its reason says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from django.db import DatabaseError, connections, transaction
from django.db.models import DateTimeField, Max, QuerySet, Subquery

from worker.clock import database_now
from worker.dialects import dialect_of
from worker.dialects.portions import portions
from worker.instants import UNREADABLE, unreadable_in
from worker.models import FinishedJob, FinishedState, Job, JobReport
from worker.queue.fence import new_token
from worker.queue.own_keep import record, shares_of
from worker.values import ClaimedJob, Finish, Recorded
from worker.wakeup.awaited import tell_some_ended

BATCH = 1000


def end(
    using: str, jobs: Collection[int], state: FinishedState, reason: str, *, asks_who_runs: bool = False
) -> list[int]:
    """End jobs by hand: claim those that nobody holds, and finish them at once under that claim. Returns their ids.

    `asks_who_runs`: the others are asked to stop, for that reason.
    """
    ended: Recorded = {}
    for some in portions(list(jobs), BATCH):
        taken = _take(using, some, reason if asks_who_runs else None)
        now = database_now(using)
        ends = [Finish(job, state.value, job.attempts, job.errors, reason, None, now) for job in taken]
        there = in_history(taken, using)
        ends = [renumbered(using, end) if end.job.id in there else end for end in ends]
        ended |= record(using, shares_of(ends))
    if ended:
        tell_some_ended(using)
    return sorted(id for id, _ in ended)


def put_right(using: str, job: QuerySet[Job], columns: Sequence[str]) -> int:
    """What cannot be read of it, history need not keep. Returns 0 where there is no such job any more."""
    now = database_now(using)
    return job.update(**{name: None if name in _OPTIONAL else now if name in _INSTANTS else 0 for name in columns})


def in_history(jobs: Sequence[ClaimedJob], using: str) -> set[int]:
    """Ids that stand there already: the sequence they are from was set back, or history came from a backup."""
    there = FinishedJob.objects.using(using).filter(pk__in=[job.id for job in jobs])
    return set(there.values_list("pk", flat=True))


def renumbered(using: str, end: Finish) -> Finish:
    """The end of the same job under an id that nobody has had. In a transaction."""
    last = (model.objects.using(using).aggregate(last=Max("pk"))["last"] or 0 for model in (Job, FinishedJob))
    job = end.job._replace(id=max(last) + 1)
    if not Job.objects.using(using).filter(pk=end.job.id, claim=end.job.claim).update(id=job.id):
        return end
    _take_report_along(using, end.job.id, job.id)
    return end._replace(job=job, reason=f"{end.reason} {_RENUMBERED.format(end.job.id)}".lstrip())


def _take_report_along(using: str, old: int, new: int) -> None:
    """Unless the job in history had told it before it ended. No outcome waits for a report."""
    told = JobReport.objects.using(using)
    ended_at = FinishedJob.objects.using(using).filter(pk=old).values("finished_at")
    with suppress(DatabaseError), transaction.atomic(using=using):
        told.filter(pk=new).delete()  # what is left of a job whose row somebody has erased
        told.filter(pk=old).exclude(progress_at__lte=Subquery(ended_at)).update(id=new)


def _take(using: str, ids: Sequence[int], ask: str | None) -> list[ClaimedJob]:
    """Those of the jobs that nobody has started, whatever stands in their rows. `ask`: why the others are to stop."""
    connection, token = connections[using], new_token()
    claims = dialect_of(connection).claims
    if ask is None:
        claims.take(connection, token=token, ids=ids)
    else:
        claims.take_or_ask(connection, token=token, ids=ids, reason=ask)
    try:
        return claims.taken(connection, token=token, ids=ids)
    except UNREADABLE:
        taken = Job.objects.using(using).filter(pk__in=ids, claim=token)
        for id, columns in unreadable_in(taken).items():
            put_right(using, taken.filter(pk=id), columns)
    return claims.taken(connection, token=token, ids=ids)


_INSTANTS = {field.name for field in Job._meta.concrete_fields if isinstance(field, DateTimeField)}
_OPTIONAL = {field.name for field in Job._meta.concrete_fields if field.null}
_RENUMBERED = (
    "It was job {}. History already has a job with that id, so this one has a new id here (scheduler_doctor says why)."
)
