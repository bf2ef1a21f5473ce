"""Every transition of a job, and nothing else touches its state.

    enqueue ──▶ scheduled ──promote──▶ ready ──claim──▶ running ──ack──▶ history
       │            ▲                  ▲ ▲ ▲               │ │ │
       ├────────────┼──────────────────┘ │ └────release────┘ │ │   given back unstarted
       │            │                    └──────rescue───────┘ │   its worker died
       │            └───────────────retry, snooze──────────────┘
       └──▶ waiting ──promote──▶ ready           behind those before it in its lane
               ▲ hold, let go
               ▼
              held                         its lane is stopped

Each claim has a token, the fence. Every statement about a running job names it, so a worker that was taken for dead
changes nothing. Everything here is one guarded statement or one short transaction. `using` is the alias of the
connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from django.db import connections, transaction

from worker import erasure, wakeup
from worker.clock import WhenWritten
from worker.dialects import dialect_of
from worker.dialects.portions import MOST_CHARACTERS
from worker.instants import UNREADABLE
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Outcome, Retry, Snoozed, Succeeded
from worker.queue.by_hand import UNSTARTED, cancel, cancel_equal, cancel_lane, retry, unretried
from worker.queue.fence import UNHELD, new_token
from worker.queue.history import BATCH, in_history, record, renumbered
from worker.queue.inheritance import MOST_INTERRUPTIONS, rescue
from worker.queue.into import enqueue, enqueue_many
from worker.queue.lanes import hold_lane, leave_lane, let_go_lane, unfinished_of
from worker.queue.notes import errors_with_note, has_ended, noted
from worker.queue.promotion import MOST_PROMOTED, next_due, next_run_at, promote, promote_again, promote_by_halves
from worker.queue.turns import Round, let_in
from worker.queue.unreadable import end_unreachable, end_unreadable
from worker.values import ANY_LENGTH, ClaimedJob, Ended, Mark, PutBack, Wanted

__all__ = [
    "BATCH",
    "MOST_INTERRUPTIONS",
    "MOST_PROMOTED",
    "UNSTARTED",
    "Hook",
    "Round",
    "ack",
    "ack_anew",
    "ack_in_vain",
    "ack_marked",
    "cancel",
    "cancel_equal",
    "cancel_lane",
    "claim",
    "end_unreachable",
    "enqueue",
    "enqueue_many",
    "errors_with_note",
    "has_ended",
    "hold_lane",
    "in_the_recording_transaction",
    "is_suspect",
    "leave_lane",
    "let_go_lane",
    "let_in",
    "mark",
    "next_due",
    "next_run_at",
    "note",
    "noted",
    "promote",
    "promote_again",
    "promote_by_halves",
    "prune",
    "release",
    "release_unheld",
    "require_mark",
    "rescue",
    "retry",
    "unfinished_of",
    "unretried",
]

MOST_UNREAD = 3
"""Answers in a row in which a claim may find what cannot be read. After one more it is no fault of a row."""


class Hook(NamedTuple):
    """What somebody else writes about outcomes of one kind: `write(ended, using)`."""

    of: type[Outcome]
    write: Callable[[Sequence[Ended], str], None]


in_the_recording_transaction: list[Hook] = []
"""Each is called with what was recorded of its kind, in the transaction that records it: both are written, or neither.

Only outcomes of these kinds pay for it: PostgreSQL records the others in one statement, without a transaction.
"""


# Into a worker's hands and out of them


def claim(
    using: str,
    worker_id: int,
    limit: int,
    queues: Collection[str] = (),
    without_tasks: Collection[str] = (),
    with_suspects: bool = True,
    beyond: Mapping[int, int] = MappingProxyType({}),
    longest: int = ANY_LENGTH,
) -> list[ClaimedJob]:
    """Take up to `limit` ready jobs, the most urgent first. No queues: all of them.

    `beyond`: by priority, the id from which to look (`worker.process.marks`). `longest`: bytes; texts that are longer
    are left out (`worker.process.freight`).
    """
    connection = connections[using]
    wanted = Wanted(
        token=new_token(),
        worker_id=worker_id,
        limit=limit,
        queues=list(dict.fromkeys(queues)),
        without_tasks=without_tasks,
        interrupted_below=None if with_suspects else _SUSPECT_FROM,
        beyond=beyond,
        longest=longest,
    )
    for _ in range(MOST_UNREAD):
        try:
            return dialect_of(connection).claim(connection, wanted)
        except UNREADABLE:
            end_unreadable(using, wanted.token)  # unless another worker has ended it meanwhile
            wanted = wanted._replace(token=new_token())
    return dialect_of(connection).claim(connection, wanted)


def is_suspect(job: ClaimedJob) -> bool:
    """Its workers died so often that the next death is its end. A worker holds one of them at a time."""
    return job.interruptions >= _SUSPECT_FROM


def ack(using: str, ended: Sequence[Ended], worker: str = "") -> list[Ended]:
    """Record what came of jobs, each under its fence. Returns those that were recorded; the others were lost.

    In the caller's transaction if there is one, else in its own; one statement needs none.
    """
    finishes = [finish for each in ended if (finish := each.finish(worker))]
    put_backs = [put_back for each in ended if (put_back := each.put_back(worker))]
    with nullcontext() if _by_one_statement(using, ended) else transaction.atomic(using=using, savepoint=False):
        kept = record(using, finishes, worker)
        kept |= {each.job.hold for each in put_backs if _schedule_again(using, each)}
        recorded = [each for each in ended if each.job.hold in kept]
        _write_hooks(using, recorded)
    if put_backs:
        wakeup.announce({wakeup.LATER}, using)
    return recorded


def mark(using: str) -> Mark:
    """Begin the transaction of a run, in the outermost block of the caller, and say by what it is known."""
    connection = connections[using]
    return dialect_of(connection).mark(connection)


def require_mark(using: str, mark: Mark) -> None:
    """Raises DatabaseError where that transaction is seen to have ended, or to be broken."""
    connection = connections[using]
    dialect_of(connection).require_mark(connection, mark)


def ack_marked(using: str, ended: Ended, worker: str, mark: Mark) -> bool:
    """Record a success in the transaction of that mark, which may be committed then; the caller commits all the same.

    False: it was lost, and the transaction has to be undone. Raises DatabaseError if it is another transaction.
    """
    connection = connections[using]
    finish = ended.finish(worker)
    assert finish is not None, "what succeeded goes into history"
    others_write = any(isinstance(ended.outcome, hook.of) for hook in in_the_recording_transaction)
    if not dialect_of(connection).finish_marked(connection, finish, worker, mark, commit=not others_write):
        return False
    _write_hooks(using, [ended])
    return True


def ack_anew(using: str, ended: Ended, worker: str = "") -> list[Ended]:
    """Record what came of a job whose id stands in history already: it goes there under a new one, and says so.

    Returns it, or nothing where that is not what is wrong, or the job was lost.
    """
    finish = ended.finish(worker)
    with transaction.atomic(using=using, savepoint=False):
        if finish is None or not in_history([finish.job], using):
            return []
        recorded = [ended] if record(using, [renumbered(using, finish)], worker) else []
        _write_hooks(using, recorded)
    return recorded


def ack_in_vain(using: str, ended: Ended, worker: str = "") -> None:
    """Record what came of a job, and undo it: raises what is against it."""
    with transaction.atomic(using=using):
        if not ack_anew(using, ended, worker):
            ack(using, [ended], worker)
        transaction.set_rollback(True, using=using)


def note(using: str, jobs: Sequence[tuple[ClaimedJob, str]]) -> None:
    """Write these errors of jobs into their rows, under their fences. They are held as before."""
    with transaction.atomic(using=using):
        for job, errors in jobs:
            Job.objects.using(using).filter(pk=job.id, claim=job.claim).update(errors=errors)


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


# When their time is over


def prune(using: str, before: datetime) -> Iterator[int]:
    """Forget jobs that finished before that instant: a portion with each step, which gives how many that were."""
    return erasure.prune(FinishedJob, "finished_at", before, using)


# Into history, or back


def _by_one_statement(using: str, ended: Sequence[Ended]) -> bool:
    """Whether all go into history, and nobody else writes when they do."""
    others_write = (Retry, Snoozed, *(hook.of for hook in in_the_recording_transaction))
    one_statement = dialect_of(connections[using]).finishes_by_one_statement and len(ended) <= BATCH
    kinds = {type(each.outcome) for each in ended}
    return one_statement and not any(issubclass(kind, others_write) for kind in kinds) and not _are_long(ended)


def _are_long(ended: Sequence[Ended]) -> bool:
    """Whether one may bring along so much text that others may not go with it."""
    outcomes = [each.outcome for each in ended]
    kept = [len(each.kept) for each in outcomes if isinstance(each, Succeeded) and each.kept]
    return max([len(each.job.errors) for each in ended], default=0) + max(kept, default=0) > _LONG


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


_SUSPECT_FROM = MOST_INTERRUPTIONS - 1
_LONG = MOST_CHARACTERS // BATCH
"""Characters, of which a whole batch goes into one statement."""
