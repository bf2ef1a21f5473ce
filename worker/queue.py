"""Every transition of a job, and nothing else touches its state.

    enqueue ──▶ scheduled ──promote──▶ ready ──claim──▶ running ──ack──▶ history
       │            ▲                  ▲ ▲ ▲               │ │ │
       ├────────────┼──────────────────┘ │ └────release────┘ │ │   given back unstarted
       │            │                    └──────rescue───────┘ │   its worker died
       │            └───────────────retry, snooze──────────────┘
       └──▶ waiting ──promote──▶ ready           behind those before it in its lane

A claim has a token of its own, the fence: whatever is done to a running job names it, so a worker that was
taken for dead changes nothing. Everything here is one guarded statement or one short transaction; `using` is
the alias of the connection it runs on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import nullcontext
from datetime import datetime
from hashlib import blake2b
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db import (
    DataError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    connections,
    transaction,
)
from django.db.models import DateTimeField, Exists, F, Max, OuterRef, Q, QuerySet

from worker import signals, wakeup
from worker.clock import WhenWritten, database_now
from worker.dialects import dialect_of
from worker.dialects.portions import portions
from worker.erasure import erase
from worker.instants import UNREADABLE, is_real, leniently
from worker.models import FinishedJob, FinishedState, Job, JobState, WorkerProcess
from worker.outcomes import Outcome, Retry, Snoozed
from worker.values import ClaimedJob, Ended, Finish, NewJob, PutBack, Wanted

BATCH = 1000
MOST_PROMOTED = 5000
"""In one transaction: a tenth of a second, for which the leader is deaf."""
MOST_INTERRUPTIONS = 3
REFUSALS = (DataError, IntegrityError, NotSupportedError, ProgrammingError, OverflowError, TypeError, ValueError)
"""What a statement raises for what it was to write or read. Any other error of a database is about the session."""
UNSTARTED = (JobState.SCHEDULED, JobState.WAITING, JobState.READY)


class Hook(NamedTuple):
    """What somebody else writes about outcomes of one kind: `write(ended, using)`."""

    of: type[Outcome]
    write: Callable[[Sequence[Ended], str], None]


in_the_recording_transaction: list[Hook] = []
"""Each is called with what was recorded of its kind, in the transaction that records it: both are written, or neither.

Only outcomes of these kinds pay for it: PostgreSQL records the others in one statement, without a transaction.
"""


# Into the queue


def enqueue(job: NewJob, using: str) -> int:
    """Add a job in the caller's transaction. Returns its id."""
    connection, topic = connections[using], _news(job)
    dialect = dialect_of(connection)
    if wakeup.goes_with_the_work(topic, using):
        (id,) = dialect.insert_and_notify(connection, job, wakeup.channel(), topic)
        wakeup.went_with_the_work(topic, using)
    else:
        (id,) = dialect.insert(connection, [job])
        wakeup.announce({topic}, using)
    return id


def enqueue_many(jobs: Sequence[NewJob], using: str) -> list[int]:
    """Add all the jobs or none, in the caller's transaction if there is one. Returns their ids in order."""
    connection = connections[using]
    dialect = dialect_of(connection)
    longest = max((len(job.arguments) for job in jobs), default=0)
    batches = list(portions(jobs, dialect.most_inserted, longest))
    with transaction.atomic(using=using) if len(batches) > 1 else nullcontext():
        ids = [id for batch in batches for id in dialect.insert(connection, batch)]
        wakeup.announce(set(map(_news, jobs)), using)
    return ids


# Into a worker's hands and out of them


def claim(
    using: str,
    worker_id: int,
    limit: int,
    queues: Collection[str] = (),
    without_tasks: Collection[str] = (),
    with_suspects: bool = True,
    beyond: Mapping[int, int] = MappingProxyType({}),
) -> list[ClaimedJob]:
    """Take up to `limit` ready jobs, the most urgent first. No queues: all of them.

    `beyond`: by priority, the id from which to look (`worker.process.marks`).
    """
    connection = connections[using]
    wanted = Wanted(
        token=_new_token(),
        worker_id=worker_id,
        limit=limit,
        queues=list(dict.fromkeys(queues)),
        without_tasks=without_tasks,
        interrupted_below=None if with_suspects else _SUSPECT_FROM,
        beyond=beyond,
    )
    try:
        return dialect_of(connection).claim(connection, wanted)
    except UNREADABLE:
        if not _end_unreadable(using, wanted.token):
            raise
    return dialect_of(connection).claim(connection, wanted._replace(token=_new_token()))


def is_suspect(job: ClaimedJob) -> bool:
    """Its workers died so often that the next death is its end. A worker holds one of them at a time."""
    return job.interruptions >= _SUSPECT_FROM


def ack(using: str, ended: Sequence[Ended], worker: str = "") -> list[Ended]:
    """Record what came of jobs, each under its fence. Returns those that were recorded; the others were lost.

    In the caller's transaction if there is one, else in its own; one statement needs none.
    """
    finishes = [finish for each in ended if (finish := each.finish())]
    put_backs = [put_back for each in ended if (put_back := each.put_back())]
    with nullcontext() if _by_one_statement(using, ended) else transaction.atomic(using=using, savepoint=False):
        kept = _record(using, finishes, worker)
        kept |= {each.job.hold for each in put_backs if _schedule_again(using, each)}
        recorded = [each for each in ended if each.job.hold in kept]
        _write_hooks(using, recorded)
    if put_backs:
        wakeup.announce({wakeup.LATER}, using)
    return recorded


def ack_anew(using: str, ended: Ended, worker: str = "") -> list[Ended]:
    """Record what came of a job whose id stands in history already: it goes there under a new one, and says so.

    Returns it, or nothing where that is not what is wrong, or the job was lost.
    """
    finish = ended.finish()
    with transaction.atomic(using=using, savepoint=False):
        if finish is None or not _in_history([finish.job], using):
            return []
        recorded = [ended] if _record(using, [_renumbered(using, finish)], worker) else []
        _write_hooks(using, recorded)
    return recorded


def release(using: str, jobs: Sequence[ClaimedJob]) -> int:
    """Give back jobs as if they had not been claimed. Returns how many were still held."""
    released = 0
    for token, held in groupby(sorted(jobs, key=lambda job: job.claim), key=lambda job: job.claim):
        running = Job.objects.using(using).filter(pk__in=[job.id for job in held], claim=token)
        released += running.update(state=JobState.READY, **UNHELD)
    if released:
        wakeup.announce({wakeup.READY}, using)
    return released


def release_unheld(using: str, worker_id: int, held: Sequence[ClaimedJob]) -> int:
    """Give back what the database says the worker holds, but it does not: a claim whose answer never arrived."""
    claims = {job.claim for job in held}
    running = Job.objects.using(using).filter(state=JobState.RUNNING, worker_id=worker_id).exclude(claim__in=claims)
    return running.update(state=JobState.READY, **UNHELD)


def rescue(using: str, limit: int) -> int:
    """Give to others up to `limit` jobs that workers hold who are not on the roster. Returns how many that were.

    A job whose workers died again and again may be what kills them: it is given up as failed. One whose end is being
    recorded just now is left for the next time: its worker may stand still in the middle of that, and whoever waited
    for it would stand still too.
    """
    if not (dead := _holders_off_the_roster(using)):
        return 0
    held = _held_by(dead, using)
    try:
        count, given_up = _rescue(using, held, limit)
    except REFUSALS:
        count, given_up = _rescue_each(using, held, limit)
    if count:
        wakeup.announce({wakeup.READY}, using)
        signals.jobs_rescued.send_robust(None, count=count, given_up=given_up)
    return count


# When their time has come


def promote(using: str, now: datetime, limit: int = MOST_PROMOTED) -> int:
    """Make ready up to `limit` jobs that were to run by `now`, and those whose turn has come. Returns how many."""
    connection = connections[using]
    promoted = dialect_of(connection).promote(connection, now=now, limit=limit)
    next_in_line = _some(_next_in_line(using, now))
    let_in = Job.objects.using(using).filter(pk__in=next_in_line, state=JobState.WAITING).update(state=JobState.READY)
    if promoted or let_in:
        wakeup.announce({wakeup.READY}, using)
    return promoted + let_in


def next_run_at(using: str) -> datetime | None:
    """When the next job is to be promoted."""
    scheduled = Job.objects.using(using).filter(state=JobState.SCHEDULED).order_by("run_at")
    return scheduled.values_list("run_at", flat=True).first()


def next_due(using: str) -> str:
    """SQL for the instant of the next promotion, for a statement that asks for more: now, while any job waits."""
    connection = connections[using]
    return dialect_of(connection).next_due(connection)


def unfinished_of(lanes: Sequence[str], using: str) -> dict[str, set[str]]:
    """The states of the unfinished jobs of those lanes, by lane. One that a dead worker held does not count."""
    connection = connections[using]
    states: dict[str, set[str]] = {}
    for lane, state in dialect_of(connection).unfinished(connection, lanes):
        states.setdefault(lane, set()).add(state)
    return states


# The operator's verbs


def cancel(jobs: Collection[int], reason: str, using: str) -> list[int]:
    """End jobs that nobody has started. Returns the ids of those that were cancelled."""
    with transaction.atomic(using=using):
        return _end(using, jobs, FinishedState.CANCELLED, reason)


def cancel_equal(task: str, arguments: str, reason: str, using: str) -> list[int]:
    """Cancel the unstarted jobs of that task with those arguments. Returns their ids.

    Until the caller's transaction ends, whoever else does it waits, and then finds what was enqueued in it.
    """
    connection = connections[using]
    dialect_of(connection).hold(connection, _key_of(task, arguments))
    alike = Job.objects.using(using).filter(task=task, arguments=arguments, state__in=UNSTARTED)
    # MySQL's collations take "eu" for "EU".
    equal = [id for id, *what in alike.values_list("pk", "task", "arguments") if what == [task, arguments]]
    return cancel(equal, reason, using)


def cancel_lane(lane: str, reason: str, using: str) -> list[int]:
    """Cancel the unstarted jobs of a lane. Returns their ids."""
    unstarted = Job.objects.using(using).filter(lane=lane, state__in=UNSTARTED)
    return cancel(unstarted.values_list("pk", flat=True), reason, using)


def retry(finished: Collection[int], using: str) -> list[int]:
    """Enqueue finished jobs again, as new jobs that are linked to them. Returns the new ids."""
    found = (FinishedJob.objects.using(using).filter(pk__in=some) for some in portions(sorted(finished), BATCH))
    return enqueue_many([_as_new(job) for some in found for job in some.order_by("pk")], using)


def prune(using: str, before: datetime) -> int:
    """Forget jobs that finished before that instant, in batches of short transactions. Returns how many."""
    old = FinishedJob.objects.using(using).filter(finished_at__lt=before).order_by("finished_at")
    pruned = 0
    while ids := _some(old):
        pruned += erase(FinishedJob, ids, using)
    return pruned


# What dead workers held


def _rescue(using: str, held: QuerySet[Job], limit: int) -> tuple[int, int]:
    """How many were taken from the dead, and how many of them were given up."""
    with transaction.atomic(using=using):
        free = held.select_for_update(skip_locked=True)
        rescued = Job.objects.using(using).filter(pk__in=list(free.values_list("pk", flat=True)[:limit]))
        count = rescued.update(state=JobState.READY, interruptions=F("interruptions") + 1, **UNHELD)
        deadly = rescued.filter(interruptions__gte=MOST_INTERRUPTIONS)
        given_up = _end(using, deadly.values_list("pk", flat=True), FinishedState.FAILED, _DEADLY)
    return count, len(given_up)


def _rescue_each(using: str, held: QuerySet[Job], limit: int) -> tuple[int, int]:
    """The same, one by one: what the database refuses to change stays as it is, and holds up no other."""
    count = given_up = 0
    for id in list(held.values_list("pk", flat=True)[:limit]):
        try:
            one, deadly = _rescue(using, held.filter(pk=id), 1)
        except REFUSALS as error:
            signals.rescue_refused.send_robust(None, id=id, error=error)
        else:
            count, given_up = count + one, given_up + deadly
    return count, given_up


# What cannot be read


def _end_unreadable(using: str, claim: int) -> int:
    """End as failed the jobs that are ready, or under that claim, and whose instants nobody can read.

    All that is under the claim goes back: its answer could not be read. Returns how many were ended.
    """
    Job.objects.using(using).filter(claim=claim).update(state=JobState.READY, **UNHELD)
    with leniently():
        ready = Job.objects.using(using).filter(state=JobState.READY).values("pk", *_INSTANTS)
        found = {row.pop("pk"): [name for name, at in row.items() if _is_unreadable(name, at)] for row in ready}
    for id, columns in found.items():
        if columns:
            _end_unreadable_one(using, id, columns)
    return sum(map(bool, found.values()))


def _is_unreadable(column: str, at: datetime | None) -> bool:
    return column not in _OPTIONAL if at is None else not is_real(at)


def _end_unreadable_one(using: str, id: int, columns: Sequence[str]) -> None:
    reason = f"Its row has no instant that can be read in {' and '.join(columns)}, so it was not run."
    with transaction.atomic(using=using):
        now = database_now(using)
        held = Job.objects.using(using).filter(pk=id, state=JobState.READY)
        held.update(**{name: None if name in _OPTIONAL else now for name in columns})
        _end(using, [id], FinishedState.FAILED, reason)


# Into history, or back


def _by_one_statement(using: str, ended: Sequence[Ended]) -> bool:
    """Whether all go into history, and nobody else writes when they do."""
    others_write = (Retry, Snoozed, *(hook.of for hook in in_the_recording_transaction))
    one_statement = dialect_of(connections[using]).finishes_by_one_statement
    return one_statement and not any(isinstance(each.outcome, others_write) for each in ended)


def _record(using: str, ends: Sequence[Finish], worker: str) -> set[tuple[int, int]]:
    connection = connections[using]
    return dialect_of(connection).finish(connection, ends, worker) if ends else set()


def _write_hooks(using: str, recorded: Sequence[Ended]) -> None:
    for hook in in_the_recording_transaction:
        if of_it := [each for each in recorded if isinstance(each.outcome, hook.of)]:
            hook.write(of_it, using)


def _schedule_again(using: str, job: PutBack) -> bool:
    held = Job.objects.using(using).filter(pk=job.job.id, claim=job.job.claim)
    return (
        dialect_of(connections[using])
        .once_free(held)
        .update(
            state=JobState.SCHEDULED if job.delay else JobState.READY,
            run_at=WhenWritten(after=job.delay),
            attempts=job.attempts,
            errors=job.errors,
            **UNHELD,
        )
        == 1
    )


def _end(using: str, jobs: Collection[int], state: FinishedState, reason: str) -> list[int]:
    """End jobs by hand: claim those that nobody holds, and finish them at once under that claim."""
    connection = connections[using]
    ended: set[tuple[int, int]] = set()
    for some in portions(list(jobs), BATCH):
        taken = dialect_of(connection).take(connection, token=_new_token(), ids=some)
        now = database_now(using)
        ends = [Finish(job, state.value, job.attempts, job.errors, reason, None, now) for job in taken]
        there = _in_history(taken, using)
        ended |= _record(using, [_renumbered(using, end) if end.job.id in there else end for end in ends], "")
    return sorted(id for id, _ in ended)


def _in_history(jobs: Sequence[ClaimedJob], using: str) -> set[int]:
    """Ids that stand there already: the sequence they are from was set back, or history came from a backup."""
    there = FinishedJob.objects.using(using).filter(pk__in=[job.id for job in jobs])
    return set(there.values_list("pk", flat=True))


def _renumbered(using: str, end: Finish) -> Finish:
    """The end of the same job under an id that nobody has had. In a transaction."""
    last = (model.objects.using(using).aggregate(last=Max("pk"))["last"] or 0 for model in (Job, FinishedJob))
    job = end.job._replace(id=max(last) + 1)
    if not Job.objects.using(using).filter(pk=end.job.id, claim=end.job.claim).update(id=job.id):
        return end
    return end._replace(job=job, reason=f"{end.reason} {_RENUMBERED.format(end.job.id)}".lstrip())


def _as_new(job: FinishedJob) -> NewJob:
    return NewJob(
        task=job.task,
        arguments=job.arguments,
        queue=job.queue,
        priority=job.priority,
        max_attempts=job.max_attempts,
        verbose_name=job.verbose_name,
        creator=job.creator,
        retry_of=job.pk,
    )


# Which jobs


def _holders_off_the_roster(using: str) -> set[int]:
    """First who holds jobs, then who is there: whoever signs in in between, and claims, is not among the holders."""
    running = Job.objects.using(using).filter(state=JobState.RUNNING)
    holders = {worker or NOBODY for worker in running.order_by().values_list("worker_id", flat=True).distinct()}
    return holders - set(WorkerProcess.objects.using(using).filter(pk__in=holders).values_list("pk", flat=True))


def _held_by(workers: Set[int], using: str) -> QuerySet[Job]:
    theirs = Q(worker_id__in=workers - {NOBODY})
    if NOBODY in workers:
        theirs |= Q(worker_id=None)
    return Job.objects.using(using).filter(theirs, state=JobState.RUNNING)


def _next_in_line(using: str, now: datetime) -> QuerySet[Job]:
    before = Job.objects.filter(lane=OuterRef("lane"), pk__lt=OuterRef("pk"))
    waiting = Job.objects.using(using).filter(state=JobState.WAITING, run_at__lte=now)
    return waiting.filter(~Exists(before)).order_by("lane")  # one each; by the index over those that wait


def _some(rows: QuerySet[Any]) -> list[int]:
    return list(rows.values_list("pk", flat=True)[:BATCH])


def _news(job: NewJob) -> str:
    return wakeup.READY if job.state == JobState.READY else wakeup.LATER


def _key_of(*what: str) -> int:
    digest = blake2b("\0".join(what).encode(errors="surrogatepass"), digest_size=8, person=b"carillon.call")
    return int.from_bytes(digest.digest(), signed=True)


def _new_token() -> int:
    return secrets.randbits(63)


NOBODY = 0
"""No worker has that id."""
UNHELD: dict[str, None] = {"claim": None, "worker_id": None, "claimed_at": None}
_INSTANTS = [field.name for field in Job._meta.concrete_fields if isinstance(field, DateTimeField)]
_OPTIONAL = {field.name for field in Job._meta.concrete_fields if field.null}
_RENUMBERED = "It was job {}: history has another of that id, so it has a new one here (scheduler_doctor says why)."
_SUSPECT_FROM = MOST_INTERRUPTIONS - 1
_DEADLY = f"Its worker died {MOST_INTERRUPTIONS} times while holding it, so it is not tried again."
