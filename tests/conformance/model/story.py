"""What every story has, whatever else happens in it: workers that work and die, and jobs that are where they belong.

Each step is done by the queue and by its model, and both must say the same.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from operator import attrgetter

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schedules.models import Occurrence, Schedule
from tests.conformance.model.model import FINISHES, ModelJob, ModelQueue
from tests.conformance.model.virtual import ALIAS, VirtualClock
from tests.conformance.worker.dialects.statements import before_a_lone_update
from tests.schedules.recurrence.moments import at
from worker import queue, roster, wakeup
from worker.chores import Chores
from worker.models import FinishedJob, Job, WorkerProcess
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.values import ClaimedJob, Ended

WORKERS = 3

PICK = st.integers(0, 999)
"""Which of what there is."""
SECONDS = st.sampled_from([0, 20, 60, 90, 200])
OUTCOMES = st.sampled_from(["succeeded", "retry", "retry at once", "failed", "snoozed", "cancelled", "missed"])
COLUMNS = (
    "state",
    "attempts",
    "interruptions",
    "claim",
    "scheduled_for",
    "start_by",
    "retry_before",
    "lane",
    "cancel_reason",
)


class Story(RuleBasedStateMachine):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        clock.set(at("10:00"))
        wakeup.told.forget()
        clock.chores = Chores(clock)  # how long a step takes decides nothing here
        clock.chores.rescue.look_at = math.inf  # this is a step of its own here, and so are these
        for chore in clock.chores._chores:
            chore.due_at = math.inf
        with transaction.atomic():
            for model in (Job, FinishedJob, WorkerProcess, Occurrence, Schedule):
                model._default_manager.all().delete()
        self.queue = ModelQueue()
        self.claims: list[ClaimedJob] = []
        self.workers = [self._sign_in() for _ in range(WORKERS)]

    @rule(worker=PICK, outcome=OUTCOMES)
    def work(self, worker: int, outcome: str) -> None:
        self._ack([(job, outcome) for job in self._claim(worker, 4)])

    @rule(worker=PICK)
    def crash_and_rescue(self, worker: int) -> None:
        number = worker % WORKERS
        dead = self.workers[number]
        WorkerProcess.objects.filter(pk=dead).delete()

        assert queue.rescue(ALIAS, 1000) == self.queue.rescue({dead})

        self.workers[number] = self._sign_in()

    @rule(worker=PICK)
    def one_who_promotes_stands_still(self, worker: int) -> None:
        """Some jobs are done. It has seen who waits; another lets them in and a worker takes them, and it goes on."""
        self.work(worker, "succeeded")

        def meanwhile() -> None:
            queue.promote(ALIAS, self.clock.now())
            self.queue.promote(self.clock.now())
            self._claim(worker, 9)

        with before_a_lone_update(meanwhile):
            queue.promote(ALIAS, self.clock.now())
        self.queue.promote(self.clock.now())

    # What must hold after each step

    @invariant()
    def every_job_is_where_it_belongs(self) -> None:
        live = {id: tuple(rest) for id, *rest in Job.objects.values_list("pk", *COLUMNS)}
        assert live == {job.id: attrgetter(*COLUMNS)(job) for job in self.queue.live.values()}
        assert dict(FinishedJob.objects.values_list("pk", "state")) == self.queue.history

    # What a step is made of

    def _sign_in(self) -> int:
        return roster.sign_in(ALIAS, "a worker", 1, [])

    def _claim(
        self,
        worker: int,
        limit: int,
        queues: Collection[str] = (),
        unknown: Collection[str] = (),
        with_suspects: bool = True,
    ) -> list[ClaimedJob]:
        worker = self.workers[worker % WORKERS]
        expected = self.queue.claimable(limit, queues, unknown, with_suspects)

        taken = queue.claim(ALIAS, worker, limit, queues, unknown, with_suspects)

        assert [job.id for job in taken] == expected
        for job in taken:
            model = self.queue.live[job.id]
            model.state, model.claim, model.worker = "running", job.claim, worker
        self.claims += taken
        return taken

    def _ack(self, picked: Sequence[tuple[ClaimedJob, str]]) -> None:
        chosen = {job.hold: (job, how) for job, how in picked}

        recorded = {each.job.hold for each in queue.ack(ALIAS, [self._ended(*each) for each in chosen.values()])}

        assert recorded == {hold for hold in chosen if self.queue.is_held(*hold)}
        for hold in (each for each in chosen if each in recorded):  # tokens are random, so a set has any order
            self._end(*chosen[hold])

    def _ended(self, job: ClaimedJob, how: str) -> Ended:
        return Ended(job, self._outcome(how), self.clock.now(), self.clock.now())

    def _outcome(self, how: str) -> Outcome:
        error = Error(1, "ValueError", "no", "", self.clock.now())
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
            self.queue.end(job.id, "cancelled" if how == "failed" and model.cancel_reason is not None else how)
            if how == "missed":
                self._missed(model)
            return
        if not self.queue.run_again(job.id, "ready" if how == "retry at once" else "scheduled"):
            return
        model.attempts += how.startswith("retry")
        model.run_at = Job.objects.get(pk=job.id).run_at

    def _missed(self, job: ModelJob) -> None:
        """For whoever keeps a ledger of it."""
