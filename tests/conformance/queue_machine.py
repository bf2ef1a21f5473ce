"""What can happen to jobs, at random: each step is done by the queue and by its model, and both must say the same."""

from __future__ import annotations

import math
from datetime import timedelta

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from schedules.models import Occurrence, Schedule
from tests.conformance.jobs import FAR_FUTURE, new
from tests.conformance.model import FINISHES, ModelJob, ModelQueue
from tests.conformance.virtual import ALIAS, VirtualClock
from tests.schedules.moments import at
from worker import queue, roster
from worker.clock import database_now
from worker.models import FinishedJob, Job, WorkerProcess
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.queue import Ended
from worker.rows import ClaimedJob

SILENCE = 20
WORKERS = 3

PICK = st.integers(0, 999)
"""Which of what there is."""
QUEUES = st.sampled_from(["default", "mail"])
SECONDS = st.sampled_from([0, 20, 60, 90, 200])
OUTCOMES = st.sampled_from(["succeeded", "retry", "retry at once", "failed", "snoozed", "cancelled", "missed"])


class QueueMachine(RuleBasedStateMachine):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        clock.now = at("10:00")
        clock.chores._rescue_at = clock.chores._prune_at = math.inf  # these are steps of their own here
        with transaction.atomic():
            for model in (Job, FinishedJob, WorkerProcess, Occurrence, Schedule):
                model._default_manager.all().delete()
        self.queue = ModelQueue()
        self.claims: list[ClaimedJob] = []
        self.workers = [self._sign_in() for _ in range(WORKERS)]

    # The queue

    @rule(queue_name=QUEUES, priority=st.integers(-1, 1), delay=SECONDS, count=st.integers(1, 3))
    def enqueue(self, queue_name: str, priority: int, delay: int, count: int) -> None:
        run_at = self.clock.now + timedelta(seconds=delay)
        state = "scheduled" if delay else "ready"
        jobs = [new(queue=queue_name, priority=priority, run_at=run_at, state=state) for _ in range(count)]
        for id in queue.enqueue_many(jobs, ALIAS):
            self.queue.add(ModelJob(id, state, run_at, queue_name, priority))

    @rule(worker=PICK, limit=st.integers(1, 4), queues=st.sets(QUEUES, max_size=1))
    def claim(self, worker: int, limit: int, queues: set[str]) -> None:
        worker = self.workers[worker % WORKERS]
        expected = self.queue.claimable(limit, queues)

        taken = queue.claim(ALIAS, worker, limit, queues)

        assert [job.id for job in taken] == expected
        for job in taken:
            model = self.queue.live[job.id]
            model.state, model.claim, model.worker = "running", job.claim, worker
        self.claims += taken

    @precondition(lambda self: self.claims)
    @rule(picks=st.lists(st.tuples(PICK, OUTCOMES), min_size=1, max_size=3))
    def ack(self, picks: list[tuple[int, str]]) -> None:
        """Of any claim there ever was, so that those which were lost are told of too."""
        chosen = {(job := self._recent(pick)).hold: (job, how) for pick, how in picks}
        ended = [Ended(job, self._outcome(how), self.clock.now, self.clock.now) for job, how in chosen.values()]

        recorded = {each.job.hold for each in queue.ack(ALIAS, ended)}

        assert recorded == {hold for hold in chosen if self.queue.is_held(*hold)}
        for hold in recorded:
            self._end(*chosen[hold])

    @precondition(lambda self: self.claims)
    @rule(picks=st.lists(PICK, min_size=1, max_size=2))
    def release(self, picks: list[int]) -> None:
        jobs = list({(job := self._recent(pick)).hold: job for pick in picks}.values())
        held = [self.queue.live[job.id] for job in jobs if self.queue.is_held(*job.hold)]

        assert queue.release(ALIAS, jobs) == len(held)

        for model in held:
            model.let_go("ready")

    @rule(worker=PICK)
    def crash_and_rescue(self, worker: int) -> None:
        number = worker % WORKERS
        dead = self.workers[number]
        WorkerProcess.objects.filter(pk=dead).update(heartbeat_at=database_now(ALIAS) - timedelta(seconds=60))

        assert queue.rescue(ALIAS, SILENCE) == self.queue.rescue({dead})

        self.workers[number] = self._sign_in()

    @rule(worker=PICK, outcome=OUTCOMES)
    def a_worker_that_was_taken_for_dead_acks(self, worker: int, outcome: str) -> None:
        """What it held is held by another by then, if anybody wanted it."""
        self.claim(worker, 1, set())
        self.crash_and_rescue(worker)
        held_by_the_dead = len(self.claims)
        self.claim(worker + 1, 4, set())
        if held_by_the_dead:
            self.ack([(len(self.claims) - held_by_the_dead, outcome)])

    @rule()
    def promote_all(self) -> None:
        queue.promote(ALIAS, FAR_FUTURE)
        self.queue.promote(FAR_FUTURE)

    @rule(picks=st.lists(PICK, min_size=1, max_size=3))
    def cancel(self, picks: list[int]) -> None:
        known = [*self.queue.live, *self.queue.history]
        ids = [known[pick % len(known)] for pick in picks if known]
        expected = self.queue.unstarted(ids)

        assert queue.cancel(ids, "no longer wanted", ALIAS) == expected

        for id in expected:
            self.queue.end(id, "cancelled")

    @precondition(lambda self: self.queue.history)
    @rule(pick=PICK)
    def retry(self, pick: int) -> None:
        (finished,) = FinishedJob.objects.filter(pk=list(self.queue.history)[pick % len(self.queue.history)])
        (id,) = queue.retry([finished.pk], ALIAS)
        self.queue.add(ModelJob(id, "ready", self.clock.now, finished.queue, finished.priority))

    @precondition(lambda self: self.queue.history)
    @rule(pick=PICK)
    def prune(self, pick: int) -> None:
        finished = dict(FinishedJob.objects.values_list("pk", "finished_at"))
        before = finished[list(self.queue.history)[pick % len(self.queue.history)]]
        old = [id for id, finished_at in finished.items() if finished_at < before]

        assert queue.prune(ALIAS, before) == len(old)

        for id in old:
            del self.queue.history[id]

    # What must hold after each step

    @invariant()
    def every_job_is_where_it_belongs(self) -> None:
        columns = ("pk", "state", "attempts", "interruptions", "claim")
        live = {id: rest for id, *rest in Job.objects.values_list(*columns)}
        assert live == {
            job.id: [job.state, job.attempts, job.interruptions, job.claim] for job in self.queue.live.values()
        }
        assert dict(FinishedJob.objects.values_list("pk", "state")) == self.queue.history

    # What a step is made of

    def _sign_in(self) -> int:
        return roster.sign_in(ALIAS, "a worker", 1, [])

    def _recent(self, pick: int) -> ClaimedJob:
        """The later a claim was made, the likelier it is meant."""
        return self.claims[-1 - pick % min(len(self.claims), 6)]

    def _outcome(self, how: str) -> Outcome:
        error = Error(1, "ValueError", "no", "", self.clock.now)
        outcomes: dict[str, Outcome] = {
            "succeeded": Succeeded(),
            "retry": Retry(error, 60),
            "retry at once": Retry(error, 0),
            "failed": Failed(error),
            "snoozed": Snoozed(60),
            "cancelled": Cancelled("no"),
            "missed": Missed("too late"),
        }
        return outcomes[how]

    def _end(self, job: ClaimedJob, how: str) -> None:
        model = self.queue.live[job.id]
        if how in FINISHES:
            self.queue.end(job.id, how)
            if how == "missed":
                self._missed(model)
            return
        model.let_go("ready" if how == "retry at once" else "scheduled")
        model.attempts += how.startswith("retry")
        model.run_at = Job.objects.get(pk=job.id).run_at

    def _missed(self, job: ModelJob) -> None:
        """For whoever keeps a ledger of it."""
