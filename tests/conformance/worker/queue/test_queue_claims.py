"""Claims: who gets which jobs, in which order, and that nobody else can say what became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction

from tests.conformance.worker.queue.jobs import (
    ALIAS,
    SOMEBODY,
    ack,
    another_session,
    claim,
    claim_one,
    ended,
    enqueue,
    error,
    ids,
    living_worker,
    new,
    rows,
    rows_are_locked,
    state_of,
    strike_off,
)
from tests.processes import eventually
from worker import queue, roster
from worker.clock import database_now
from worker.models import Job
from worker.outcomes import Cancelled, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.values import ClaimedJob, Ended

pytestmark = pytest.mark.usefixtures("database")


# Who gets what


def test_a_claim_takes_what_the_job_is_and_marks_it_as_held() -> None:
    id = enqueue(7, "x", task="shop.report", max_attempts=3)

    job = claim_one()

    row = Job.objects.get(pk=id)
    assert (job.id, job.task, job.arguments, job.attempts, job.max_attempts, job.errors) == (
        *(id, "shop.report", '[[7,"x"],{}]', 0, 3, ""),
    )
    assert (row.state, row.claim, row.worker_id) == ("running", job.claim, SOMEBODY)
    assert job.run_at == row.run_at
    assert row.claimed_at is not None
    assert abs((row.claimed_at - database_now(ALIAS)).total_seconds()) < 5


def test_a_claim_leaves_out_jobs_whose_next_interruption_is_their_last_where_that_is_asked() -> None:
    numbers = [enqueue() for _ in range(queue.MOST_INTERRUPTIONS)]
    for interruptions, id in enumerate(numbers):
        Job.objects.filter(pk=id).update(interruptions=interruptions)

    others = claim(with_suspects=False)
    suspects = claim()

    assert (ids(others), ids(suspects)) == (numbers[:-1], numbers[-1:])
    assert [*map(queue.is_suspect, [*others, *suspects])] == [False, False, True]


@pytest.mark.only_on("postgresql")
def test_claims_go_on_when_the_driver_has_the_server_forget_what_was_prepared() -> None:
    expected = [enqueue() for _ in range(3)]
    claimed = []
    with another_session() as using:
        for _ in expected:
            claimed += claim(1, using=using)
            with transaction.atomic(using=using):
                for _ in range(2):
                    Job.objects.using(using).exists()
                transaction.set_rollback(True, using=using)

    assert ids(claimed) == expected


def test_a_claim_takes_no_more_than_its_limit() -> None:
    expected = [enqueue() for _ in range(5)][:3]

    assert ids(claim(3)) == expected
    assert len(claim(3)) == 2
    assert claim(3) == []


def test_each_claim_has_a_token_of_its_own() -> None:
    for _ in range(20):
        enqueue()

    assert len({claim(1)[0].claim for _ in range(20)}) == 20


def test_larger_priorities_come_first_and_then_earlier_jobs() -> None:
    jobs = [new(priority=priority) for priority in (0, -100, 7, 0, 100, 7, -1)]
    numbers = queue.enqueue_many(jobs, ALIAS)

    claimed = [*ids(claim(3)), *ids(claim())]

    assert claimed == sorted(numbers, key=lambda id: (-jobs[numbers.index(id)].priority, id))


def test_jobs_of_equal_priority_come_in_the_order_of_enqueueing_through_many_claims() -> None:
    numbers = queue.enqueue_many([new() for _ in range(300)], ALIAS)

    claimed: list[int] = []
    while jobs := claim(37):
        claimed += ids(jobs)

    assert claimed == numbers


def test_a_worker_takes_only_from_its_queues() -> None:
    mail, slow, default = enqueue(queue="mail"), enqueue(queue="slow"), enqueue(queue="default")

    assert ids(claim(queues=["mail", "none"])) == [mail]
    assert ids(claim(queues=["slow", "mail"])) == [slow]
    assert ids(claim(queues=())) == [default]


def test_of_several_queues_the_most_urgent_come_first_whichever_has_them_and_each_once() -> None:
    numbers = queue.enqueue_many([new(n, queue="ab"[n % 2], priority=n % 3) for n in range(12)], ALIAS)
    urgent_first = sorted(numbers, key=lambda id: (-(numbers.index(id) % 3), id))

    assert ids(claim(5, queues=["a", "b", "a"])) == urgent_first[:5]
    assert ids(claim(queues=["a", "b", "a"])) == urgent_first[5:]


@pytest.mark.parametrize("name", ["Mail", "MAIL", "mail ", " mail", "máil", "mai1"])
def test_queues_whose_names_look_alike_are_different_queues(name: str) -> None:
    other = enqueue(queue=name)
    mail = enqueue(queue="mail")

    assert ids(claim(queues=["mail"])) == [mail]
    assert ids(claim(queues=[name])) == [other]


@pytest.mark.parametrize("queue_name", ["Почта", "🔔", "🔕", "q" * 100, "%s", "'; --", 'a"b', "a\\b", "{}"])
def test_any_printable_name_is_a_queue(queue_name: str) -> None:
    enqueue(queue="🔇")
    enqueue(queue=queue_name, task=queue_name)
    found = [enqueue(queue=queue_name) for _ in range(2)]

    with another_session() as using:
        ways = ([queue_name], [queue_name, "'", "{,}"])
        claimed = [claim(1, using=using, queues=names, without_tasks=[queue_name, "%s, $1"]) for names in ways]

    assert [*map(ids, claimed)] == [[id] for id in found]
    assert {job.queue for job in Job.objects.filter(pk__in=found)} == {queue_name}


def test_a_claim_leaves_tasks_that_its_worker_does_not_know() -> None:
    enqueue(task="shop.new")
    known = enqueue(task="shop.old")

    assert ids(claim(without_tasks=["shop.new", "shop.other"])) == [known]


@pytest.mark.parametrize("name", ["shop.New", "shop.new ", "shop.néw"])
def test_an_unknown_task_does_not_hide_one_whose_name_looks_alike(name: str) -> None:
    other = enqueue(task=name)

    assert ids(claim(without_tasks=["shop.new"])) == [other]


def test_the_filters_of_a_claim_hold_together() -> None:
    enqueue(queue="mail", task="shop.new")
    enqueue(queue="slow", task="shop.old")
    expected = enqueue(queue="mail", task="shop.old")

    assert ids(claim(queues=["mail"], without_tasks=["shop.new"])) == [expected]


def test_a_claim_takes_only_what_is_ready() -> None:
    enqueue(state="scheduled", delay=3600)
    enqueue(state="waiting", lane="a")
    enqueue()
    claim()

    assert claim() == []


# Owned by one


@rows_are_locked
def test_a_second_session_passes_over_what_the_first_is_about_to_take() -> None:
    first, second = enqueue(), enqueue()
    me, them = living_worker(), living_worker()

    with another_session() as other, transaction.atomic():
        mine = claim(1, worker_id=me)
        theirs = claim(1, using=other, worker_id=them)

    assert (ids(mine), ids(theirs)) == ([first], [second])


@rows_are_locked
def test_a_session_that_gives_up_leaves_its_jobs_to_others() -> None:
    id = enqueue()

    with another_session() as other, transaction.atomic():
        claim()
        assert claim(using=other) == []
        transaction.set_rollback(True)

    assert ids(claim()) == [id]


def test_sessions_that_claim_at_once_get_disjoint_jobs() -> None:
    numbers = queue.enqueue_many([new(n) for n in range(400)], ALIAS)
    taken: list[list[int]] = []
    start, worker = threading.Barrier(4), living_worker()

    def take_all() -> None:
        start.wait(timeout=10)
        while jobs := claim(13, worker_id=worker):
            taken.append(ids(jobs))
        connections.close_all()

    _in_threads(take_all, 4)

    assert sorted(id for batch in taken for id in batch) == numbers


def test_sessions_that_end_the_same_jobs_at_once_record_each_once() -> None:
    queue.enqueue_many([new(n) for n in range(200)], ALIAS)
    jobs = claim()
    recorded: list[int] = []
    start = threading.Barrier(3)

    def end_all() -> None:
        start.wait(timeout=10)
        outcomes = [ended(job, Succeeded()) for job in jobs]
        recorded.extend(each.job.id for each in queue.ack(ALIAS, outcomes))
        connections.close_all()

    _in_threads(end_all, 3)

    assert sorted(recorded) == ids(jobs)
    assert Job.objects.count() == 0


@rows_are_locked
def test_who_ends_a_job_while_another_is_ending_it_waits_and_learns_that_it_was_lost() -> None:
    enqueue()
    run = ended(claim_one(), Succeeded())
    recorded: list[list[Ended]] = []

    def end_too() -> None:
        recorded.append(queue.ack(ALIAS, [run]))
        connections.close_all()

    second = threading.Thread(target=end_too)
    with transaction.atomic():
        assert queue.ack(ALIAS, [run]) == [run]
        second.start()
        second.join(timeout=0.3)
        assert second.is_alive()
    second.join(timeout=10)

    assert recorded == [[]]


def _in_threads(action: Callable[[], Any], number: int) -> None:
    failures: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as failure:  # noqa: BLE001  raised again below
            failures.append(failure)

    threads = [threading.Thread(target=act) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)


# The fence


OUTCOMES: dict[str, Callable[[], Outcome]] = {
    "success": Succeeded,
    "failure": lambda: Failed(error()),
    "cancellation": lambda: Cancelled("why"),
    "miss": lambda: Missed("late"),
    "retry": lambda: Retry(error(), 60),
    "retry at once": lambda: Retry(error(), 0),
    "snooze": lambda: Snoozed(60),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("meanwhile", ["given back", "held by another", "finished by another", "failed for good"])
def test_a_zombie_changes_no_row_and_is_told_so(outcome: str, meanwhile: str) -> None:
    enqueue()
    zombie = claim_one()
    queue.release(ALIAS, [zombie])
    if meanwhile != "given back":
        heir = claim_one()
        if meanwhile != "held by another":
            ack(heir, Succeeded() if meanwhile == "finished by another" else Failed(error()))
    before = rows()

    assert ack(zombie, OUTCOMES[outcome]()) is False
    assert rows() == before


@pytest.mark.parametrize("meanwhile", ["given back", "held by another"])
def test_a_zombie_gives_back_nothing(meanwhile: str) -> None:
    enqueue()
    zombie = claim_one()
    queue.release(ALIAS, [zombie])
    if meanwhile == "held by another":
        claim_one()
    before = rows()

    assert queue.release(ALIAS, [zombie]) == 0
    assert rows() == before


def test_of_many_outcomes_those_of_zombies_are_lost_and_the_others_recorded() -> None:
    numbers = queue.enqueue_many([new(n) for n in range(7)], ALIAS)
    jobs = claim()
    queue.release(ALIAS, jobs[1::2])
    outcomes = [*OUTCOMES.values()]

    recorded = queue.ack(ALIAS, [ended(job, outcome()) for job, outcome in zip(jobs, outcomes, strict=True)])

    assert [each.job.id for each in recorded] == numbers[0::2]
    assert [state_of(id) for id in numbers] == [
        *("succeeded", "ready", "cancelled", "ready", "scheduled", "ready", "scheduled"),
    ]


def test_the_outcome_of_the_heir_counts_when_a_zombie_speaks_at_the_same_time() -> None:
    id = enqueue()
    zombie = claim_one()
    queue.release(ALIAS, [zombie])
    heir = claim_one()
    late, rightful = ended(zombie, Failed(error())), ended(heir, Succeeded())

    assert queue.ack(ALIAS, [late, rightful]) == [rightful]
    assert state_of(id) == "succeeded"


# Given back


def test_a_job_that_is_given_back_is_as_if_it_had_not_been_claimed() -> None:
    enqueue(7)
    before = rows()

    assert queue.release(ALIAS, claim()) == 1
    assert rows() == before


def test_jobs_of_many_claims_are_given_back_together() -> None:
    numbers = [enqueue() for _ in range(6)]
    held = [*claim(2), *claim(3)]

    assert queue.release(ALIAS, [held[0], *held[2:]]) == 4
    assert [state_of(id) for id in numbers] == ["ready", "running", *["ready"] * 4]


def test_giving_back_nothing_is_nothing() -> None:
    assert queue.release(ALIAS, []) == 0
    assert queue.ack(ALIAS, []) == []


def test_a_claim_whose_answer_was_lost_is_given_back_and_what_is_held_is_kept() -> None:
    held, lost, others = (enqueue(), enqueue(), enqueue())
    (mine,) = claim(1)
    claim(1)
    claim(1, worker_id=living_worker())

    assert queue.release_unheld(ALIAS, SOMEBODY, [mine]) == 1
    assert [state_of(id) for id in (held, lost, others)] == ["running", "ready", "running"]


# Nothing under a buried name


def test_who_is_not_on_the_roster_claims_nothing() -> None:
    id = enqueue()
    gone = living_worker()
    strike_off(gone)

    assert claim(worker_id=gone) == []
    assert state_of(id) == "ready"
    assert ids(claim(worker_id=living_worker())) == [id]


@rows_are_locked
def test_who_is_claiming_is_not_struck_off_meanwhile() -> None:
    id, worker = enqueue(), living_worker()
    seen = roster.signs(ALIAS)
    with (
        another_session("claiming") as claiming,
        another_session("burying") as burying,
        transaction.atomic(using=claiming),
    ):
        assert ids(claim(using=claiming, worker_id=worker)) == [id]
        with transaction.atomic(using=burying):
            assert roster.strike_off(burying, seen) == set()

    assert roster.beat(ALIAS, worker)


@rows_are_locked
def test_who_claims_while_it_is_struck_off_gets_nothing() -> None:
    id, worker = enqueue(), living_worker()
    seen = roster.signs(ALIAS)
    with another_session() as burying, ThreadPoolExecutor(1) as thread:
        with transaction.atomic(using=burying):
            assert roster.strike_off(burying, seen) == {worker}
            claimed = thread.submit(claim_in_its_own_session, worker)
            eventually(somebody_waits)
        assert claimed.result(timeout=10) == []

    assert state_of(id) == "ready"


@pytest.mark.only_on("postgresql", "mysql")
def test_who_finds_nothing_to_claim_locks_nothing() -> None:
    worker = living_worker()
    with another_session("one") as claiming, another_session("two") as other, transaction.atomic(using=claiming):
        assert claim(using=claiming, worker_id=worker) == []

        with transaction.atomic(using=other):
            assert roster.strike_off(other, roster.signs(ALIAS)) == {worker}


def claim_in_its_own_session(worker: int) -> list[ClaimedJob]:
    with another_session() as using:
        return claim(using=using, worker_id=worker)


def somebody_waits() -> bool:
    """For a lock, in this database."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING[connection.vendor])
        (waiting,) = cursor.fetchone()
    return bool(waiting)


_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
    "mysql": "SELECT count(*) FROM information_schema.processlist "
    "WHERE db = DATABASE() AND info LIKE 'UPDATE `worker_job`%'",
}
