"""What can happen to jobs, at random: each step is done by the queue and by its model, and both must say the same."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.conformance.model.model import FINISHES, ModelJob
from tests.conformance.model.story import OUTCOMES, PICK, SECONDS, WORKERS, Story
from tests.conformance.model.virtual import ALIAS
from tests.conformance.unreadable import NO_INSTANTS, Spoilt, put
from tests.conformance.worker.queue.jobs import FAR_FUTURE, new
from tests.refusals import renamed
from worker import queue, roster
from worker.models import FinishedJob, Job, WorkerProcess
from worker.options import options
from worker.process.unrecorded import Unrecorded
from worker.rescue import Rescue
from worker.values import ClaimedJob

TASKS = st.sampled_from(["a.task", "another.task"])
QUEUES = st.sampled_from(["default", "mail"])
UNKEPT = st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from(list(FINISHES))))
MANY = 1000
LOOKS = 3
"""At the workers, in three quarters of the time that one may be silent."""


class QueueMachine(Story):
    # Into workers' hands and out of them

    @rule(
        task=TASKS,
        queue_name=QUEUES,
        priority=st.integers(-1, 1),
        delay=SECONDS,
        count=st.integers(1, 3),
        unkept=UNKEPT,
    )
    def enqueue(
        self, task: str, queue_name: str, priority: int, delay: int, count: int, unkept: Collection[str]
    ) -> None:
        run_at = self.clock.now() + timedelta(seconds=delay)
        state = "scheduled" if delay else "ready"
        own = json.dumps({"keep": [0 if each in unkept else None for each in FINISHES]}) if unkept else None
        said = {"task": task, "queue": queue_name, "priority": priority, "task_options": own}
        jobs = [new(run_at=run_at, state=state, **said) for _ in range(count)]
        for id in queue.enqueue_many(jobs, ALIAS):
            self.queue.add(ModelJob(id, state, run_at, task, queue_name, priority, unkept=unkept))

    @rule(
        worker=PICK,
        limit=st.integers(1, 4),
        queues=st.sets(QUEUES, max_size=1),
        unknown=st.sets(TASKS, max_size=1),
        with_suspects=st.booleans(),
    )
    def claim(
        self, worker: int, limit: int, queues: Collection[str], unknown: Collection[str], with_suspects: bool
    ) -> None:
        self._claim(worker, limit, queues, unknown, with_suspects)

    @rule(worker=PICK, limit=st.integers(1, 4))
    def a_claim_is_not_answered(self, worker: int, limit: int) -> None:
        """The worker knows nothing of it, and gives back whatever it does not know of."""
        worker = self.workers[worker % WORKERS]
        held = [
            job for job in self.claims if self.queue.is_held(*job.hold) and self.queue.live[job.id].worker == worker
        ]

        unanswered = queue.claim(ALIAS, worker, limit)

        assert queue.release_unheld(ALIAS, worker, held) == len(unanswered)

    @precondition(lambda self: self.claims)
    @rule(picks=st.lists(st.tuples(PICK, OUTCOMES), min_size=1, max_size=3))
    def ack(self, picks: list[tuple[int, str]]) -> None:
        """Of any claim there ever was, so that those which were lost are told of too."""
        self._ack([(self._recent(pick), how) for pick, how in picks])

    @precondition(lambda self: self.claims)
    @rule(picks=st.lists(PICK, min_size=1, max_size=2))
    def release(self, picks: list[int]) -> None:
        self._release(list({(job := self._recent(pick)).hold: job for pick in picks}.values()))

    def _release(self, jobs: list[ClaimedJob]) -> None:
        held = [self.queue.live[job.id] for job in jobs if self.queue.is_held(*job.hold)]

        assert queue.release(ALIAS, jobs) == len(held)

        for model in held:
            self.queue.run_again(model.id, "ready")

    @rule(worker=PICK, outcome=OUTCOMES)
    def a_worker_that_was_taken_for_dead_acks(self, worker: int, outcome: str) -> None:
        """What it held is held by another by then, if anybody wanted it."""
        held_by_the_dead = self._claim(worker, 1)
        self.crash_and_rescue(worker)
        self._claim(worker + 1, 4)
        self._ack([(job, outcome) for job in held_by_the_dead])

    @rule(worker=PICK, wakes=st.booleans())
    def one_falls_silent_while_somebody_watches(self, worker: int, wakes: bool) -> None:
        """For a part of the time that a worker may be silent. If it wakes then, it is not dead, and else it soon is."""
        number, rescue = worker % WORKERS, Rescue(self.clock)
        silent, others = self.workers[number], [each for each in self.workers if each != self.workers[number]]

        assert self._watch(rescue, others) == 0
        if wakes:
            self._give_sign_of_life(silent)
        assert self._watch(rescue, others) == (0 if wakes else self.queue.rescue({silent}))

        there = set(WorkerProcess.objects.values_list("pk", flat=True))
        assert there == {*others, silent} if wakes else there == {*others}
        if not wakes:
            self.workers[number] = self._sign_in()

    @precondition(lambda self: self.claims)
    @rule(picks=st.lists(st.tuples(PICK, OUTCOMES), min_size=1, max_size=3))
    def the_history_is_away_for_a_while(self, picks: list[tuple[int, str]]) -> None:
        """Whoever has outcomes keeps them, and they are recorded when it is there again."""
        chosen = {job.hold: (job, how) for job, how in ((self._recent(pick), how) for pick, how in picks)}
        held = [hold for hold in chosen if self.queue.is_held(*hold)]
        unrecorded = Unrecorded("a worker", self.clock)
        unrecorded.add([self._ended(*each) for each in chosen.values()])

        with renamed(FinishedJob._meta.db_table):
            unrecorded.record(ALIAS)
            kept = {each.job.hold for each in (*unrecorded.waiting, *unrecorded.refused)}
            assert kept >= {hold for hold in held if chosen[hold][1] in FINISHES}
        unrecorded.record(ALIAS, at_once=True)

        assert not unrecorded.jobs
        for hold in held:
            self._end(*chosen[hold])
        self.queue.let_in({job.lane for job, _ in chosen.values()}, self.clock.now())

    @precondition(lambda self: self.queue.claimable(1, (), (), with_suspects=True))
    @rule(worker=PICK, pick=PICK)
    def a_row_is_spoilt(self, worker: int, pick: int) -> None:
        """Nobody can read when it is to run. So it is ended, and the others are claimed, and given back."""
        ready = self.queue.claimable(MANY, (), (), with_suspects=True)
        spoilt = ready[pick % len(ready)]
        put(Job, spoilt, Spoilt("run_at", NO_INSTANTS[connection.vendor][0]))

        claimed = queue.claim(ALIAS, self.workers[worker % WORKERS], MANY)

        assert [job.id for job in claimed] == [id for id in ready if id != spoilt]
        self.queue.end(spoilt, "failed")
        assert queue.release(ALIAS, claimed) == len(claimed)

    @rule()
    def promote_all(self) -> None:
        queue.promote(ALIAS, FAR_FUTURE)
        self.queue.promote(FAR_FUTURE)

    @rule(picks=st.lists(PICK, min_size=1, max_size=3))
    def cancel(self, picks: list[int]) -> None:
        known = [*self.queue.live, *self.queue.history]
        self._cancel([known[pick % len(known)] for pick in picks if known])

    @rule(worker=PICK, outcome=OUTCOMES)
    def what_runs_is_asked_to_stop(self, worker: int, outcome: str) -> None:
        taken = self._claim(worker, 2)
        self._cancel([job.id for job in taken])
        self._ack([(job, outcome) for job in taken])

    @rule(worker=PICK, rescued=st.booleans())
    def what_runs_is_asked_to_stop_and_given_back(self, worker: int, rescued: bool) -> None:
        taken = self._claim(worker, 2)
        self._cancel([job.id for job in taken])
        if rescued:
            self.crash_and_rescue(worker)
        else:
            self._release(taken)

    def _cancel(self, ids: list[int]) -> None:
        expected = self.queue.cancel(ids, "no longer wanted")

        assert queue.cancel(ids, "no longer wanted", ALIAS) == expected

    @precondition(lambda self: self.queue.history)
    @rule(pick=PICK)
    def retry(self, pick: int) -> None:
        (finished,) = FinishedJob.objects.filter(pk=list(self.queue.history)[pick % len(self.queue.history)])
        (id,) = queue.retry([finished.pk], ALIAS)
        self._retried(finished, id)

    @precondition(lambda self: self.queue.history)
    @rule()
    def retry_what_nobody_has_retried(self) -> None:
        finished = FinishedJob.objects.in_bulk(list(self.queue.history))

        again = queue.retry_new(list(finished), ALIAS)

        assert again.keys() == finished.keys() - self.queue.retried
        for old, id in again.items():
            self._retried(finished[old], id)

    @precondition(lambda self: self.queue.history)
    @rule(pick=PICK)
    def prune(self, pick: int) -> None:
        finished = dict(FinishedJob.objects.values_list("pk", "finished_at"))
        before = finished[list(self.queue.history)[pick % len(self.queue.history)]]
        old = [id for id, finished_at in finished.items() if finished_at < before]

        assert sum(queue.prune(ALIAS, before)) == len(old)

        for id in old:
            del self.queue.history[id]

    # What a step is made of

    def _retried(self, finished: FinishedJob, id: int) -> None:
        again = ModelJob(id, "ready", self.clock.now(), finished.task, finished.queue, finished.priority)
        again.repeats = True
        again.scheduled_for = finished.scheduled_for  # for which it runs, though it is of no schedule
        self.queue.add(again)
        self.queue.retried.add(finished.pk)

    def _watch(self, rescue: Rescue, alive: Collection[int]) -> int:
        """For three quarters of the time that a worker may be silent. Returns how many jobs were rescued meanwhile."""
        rescued = 0
        for _ in range(LOOKS):
            for each in alive:
                self._give_sign_of_life(each)
            rescued += rescue.look(ALIAS)
            self.clock.advance(0.75 * options().RESCUE_AFTER / LOOKS)
        return rescued

    def _give_sign_of_life(self, worker: int) -> None:
        """Until it differs from the last: a clock may have ticks of a millisecond."""
        before = roster.signs(ALIAS).get(worker)
        while roster.signs(ALIAS).get(worker) == before:
            assert roster.beat(ALIAS, worker)

    def _recent(self, pick: int) -> ClaimedJob:
        """The later a claim was made, the likelier it is meant."""
        return self.claims[-1 - pick % min(len(self.claims), 6)]
