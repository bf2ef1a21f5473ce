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

To cancel a job that runs is to ask it to stop: unless it succeeds, it ends where it would run again (`asked`).

Each claim has a token, the fence. Every statement about a running job names it, so a worker that was taken for dead
changes nothing. Everything here is one guarded statement or one short transaction. `using` is the alias of the
connection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from django.db import connections

from worker import wakeup
from worker.dialects import dialect_of
from worker.instants import UNREADABLE
from worker.models import Job, JobState
from worker.queue.asked import let_go
from worker.queue.by_hand import (
    UNSTARTED,
    cancel,
    cancel_equal,
    cancel_lane,
    cancel_unstarted,
    retry,
    retry_new,
    unretried,
)
from worker.queue.fence import new_token
from worker.queue.history import BATCH
from worker.queue.inheritance import MOST_INTERRUPTIONS, rescue
from worker.queue.into import enqueue, enqueue_many
from worker.queue.lanes import hold_lane, leave_lane, let_go_lane, unfinished_of
from worker.queue.notes import errors_with_note, has_ended, noted
from worker.queue.promotion import MOST_PROMOTED, next_due, next_run_at, promote, promote_again, promote_by_halves
from worker.queue.recording import (
    Hook,
    ack,
    ack_anew,
    ack_in_vain,
    ack_marked,
    in_the_recording_transaction,
    mark,
    note,
    require_mark,
)
from worker.queue.retention import Retention, before_pruning, prune
from worker.queue.turns import Round, let_in
from worker.queue.unreadable import end_unreachable, end_unreadable
from worker.values import ANY_LENGTH, ClaimedJob, Wanted

__all__ = [
    "BATCH",
    "MOST_INTERRUPTIONS",
    "MOST_PROMOTED",
    "UNSTARTED",
    "Hook",
    "Retention",
    "Round",
    "ack",
    "ack_anew",
    "ack_in_vain",
    "ack_marked",
    "before_pruning",
    "cancel",
    "cancel_equal",
    "cancel_lane",
    "cancel_unstarted",
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
    "retry_new",
    "unfinished_of",
    "unretried",
]

MOST_UNREAD = 3
"""Answers in a row in which a claim may find what cannot be read. After one more it is no fault of a row."""


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
            return dialect_of(connection).claims.claim(connection, wanted)
        except UNREADABLE:
            end_unreadable(using, wanted.token)  # unless another worker has ended it meanwhile
            wanted = wanted._replace(token=new_token())
    return dialect_of(connection).claims.claim(connection, wanted)


def is_suspect(job: ClaimedJob) -> bool:
    """Its workers died so often that the next death is its end. A worker holds one of them at a time."""
    return job.interruptions >= _SUSPECT_FROM


def release(using: str, jobs: Sequence[ClaimedJob]) -> int:
    """Give back jobs as if they had not been claimed. Returns how many were still held.

    Those that somebody has asked to stop end as cancelled.
    """
    released = 0
    for token, held in groupby(sorted(jobs, key=lambda job: job.claim), key=lambda job: job.claim):
        ids = [job.id for job in held]
        running = Job.objects.using(using).filter(pk__in=ids, claim=token)
        released += let_go(running, using, expected=len(ids))
    if released:
        wakeup.announce({wakeup.READY}, using)
    return released


def release_unheld(using: str, worker_id: int, held: Sequence[ClaimedJob]) -> int:
    """Give back what the database says the worker holds, but it does not: a claim whose answer never arrived."""
    claims = {job.claim for job in held}
    running = Job.objects.using(using).filter(state=JobState.RUNNING, worker_id=worker_id).exclude(claim__in=claims)
    return let_go(running, using)


_SUSPECT_FROM = MOST_INTERRUPTIONS - 1
