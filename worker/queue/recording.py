"""Record what came of jobs, each under its fence: into history, or back to run again.

Whoever has to write something in the same transaction says so by a `Hook`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from django.db import connections, transaction

from worker import wakeup
from worker.clock import WhenWritten
from worker.dialects import dialect_of
from worker.models import Job, JobState
from worker.outcomes import Cancelled, Failed, Outcome, Retry, Snoozed
from worker.queue.asked import UNASKED
from worker.queue.fence import UNHELD
from worker.queue.history import BATCH, in_history, renumbered
from worker.queue.own_keep import Shares, record, shares_of
from worker.values import ClaimedJob, Ended, Finish, Mark, PutBack, Recorded


class Hook(NamedTuple):
    """What somebody else writes about outcomes of one kind: `write(ended, using)`."""

    of: type[Outcome]
    write: Callable[[Sequence[Ended], str], None]


in_the_recording_transaction: list[Hook] = []
"""Each is called with what was recorded of its kind, in the transaction that records it: both are written, or neither.

Only outcomes of these kinds pay for it: PostgreSQL records the others in one statement, without a transaction.
"""


def ack(using: str, ended: Sequence[Ended], worker: str = "") -> list[Ended]:
    """Record what came of jobs, each under its fence. Returns what was recorded; the others were lost.

    A job that somebody has asked to stop has succeeded, or is cancelled: it does not run again. In the caller's
    transaction if there is one, else in its own; one statement needs none.
    """
    shares = shares_of([finish for each in ended if (finish := each.finish(worker))])
    put_backs = [put_back for each in ended if (put_back := each.put_back(worker))]
    is_alone = _by_one_statement(using, ended, shares)
    with nullcontext() if is_alone else transaction.atomic(using=using, savepoint=False):
        kept = record(using, shares)
        kept |= dict.fromkeys(each.job.hold for each in put_backs if _schedule_again(using, each))
        if put_backs:
            kept |= record(using, shares_of(_asked_to_stop(ended, kept, worker)))
        recorded = [
            each if (why := kept[hold]) is None else each.cancelled(why)
            for each in ended
            if (hold := each.job.hold) in kept
        ]
        _write_hooks(using, recorded)
    if put_backs:
        wakeup.announce({wakeup.LATER}, using)
    return recorded


def mark(using: str) -> Mark:
    """Begin the transaction of a run, in the outermost block of the caller, and say by what it is known."""
    connection = connections[using]
    return dialect_of(connection).acks.mark(connection)


def require_mark(using: str, mark: Mark) -> None:
    """Raises DatabaseError where that transaction is seen to have ended, or to be broken."""
    connection = connections[using]
    dialect_of(connection).acks.require_mark(connection, mark)


def ack_marked(using: str, ended: Ended, worker: str, mark: Mark) -> bool:
    """Record a success in the transaction of that mark, which may be committed then; the caller commits all the same.

    False: it was lost, and the transaction has to be undone. Raises DatabaseError if it is another transaction.
    """
    connection = connections[using]
    finish = ended.finish(worker)
    assert finish is not None, "what succeeded has ended"
    kept, gone, _ = shares_of([finish])
    others_write = any(isinstance(ended.outcome, hook.of) for hook in in_the_recording_transaction)
    (end,) = *kept, *gone
    acks = dialect_of(connection).acks
    if not acks.finish_marked(connection, end, mark, commit=not others_write, only_retries=bool(gone)):
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
        kept = record(using, shares_of([renumbered(using, finish)]))
        recorded = [ended if why is None else ended.cancelled(why) for why in kept.values()]
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


def _by_one_statement(using: str, ended: Sequence[Ended], shares: Shares) -> bool:
    """Whether all have ended, and nobody else writes when that is recorded."""
    others_write = (Retry, Snoozed, *(hook.of for hook in in_the_recording_transaction))
    acks = dialect_of(connections[using]).acks
    one_statement = shares.by_one_statement and len(ended) <= BATCH
    one_statement = one_statement and acks.finishes_by_one_statement(shares.kept or shares.gone)
    kinds = {type(each.outcome) for each in ended}
    if Failed in kinds:
        kinds.add(Cancelled)  # as some of them may end
    return one_statement and not any(issubclass(kind, others_write) for kind in kinds)


def _write_hooks(using: str, recorded: Sequence[Ended]) -> None:
    for hook in in_the_recording_transaction:
        if of_it := [each for each in recorded if isinstance(each.outcome, hook.of)]:
            hook.write(of_it, using)


def _asked_to_stop(ended: Sequence[Ended], kept: Recorded, worker: str) -> list[Finish]:
    """The ends of those that could not be put back to run again. If they are still held, that is why."""
    left = [each.cancelled("") for each in ended if each.put_back(worker) and each.job.hold not in kept]
    return [finish for each in left if (finish := each.finish(worker))]


def _schedule_again(using: str, job: PutBack) -> bool:
    held = Job.objects.using(using).filter(pk=job.job.id, claim=job.job.claim).filter(UNASKED)
    return (
        dialect_of(connections[using])
        .locks.once_free(held)
        .update(
            state=JobState.SCHEDULED if job.delay else JobState.READY,
            run_at=WhenWritten(after=job.delay),
            attempts=job.attempts,
            errors=job.errors,
            **UNHELD,
        )
        == 1
    )
