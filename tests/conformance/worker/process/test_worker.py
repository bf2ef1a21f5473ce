"""A worker at work: everything once, nothing held back, and whatever a task does, the next one runs."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connections
from pytest_django import Settings

from tests.app.models import Effect
from tests.app.tasks import (
    call_exit,
    cancel,
    fail,
    fail_at_first,
    gates,
    hold,
    leave_trace,
    leave_transaction_open,
    lose_the_session,
    nothing,
    return_unshowable,
    returned,
    snooze_at_first,
)
from tests.conformance.worker.process.workers import Crew, Session, heard, slots
from tests.conformance.worker.queue.jobs import ALIAS, enqueue, rows, state_of
from tests.processes import eventually
from worker import signals, tasks
from worker.arguments import decode
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobState, WorkerProcess
from worker.process import intake, loop, pace
from worker.running import pool, slot_connections
from worker.wakeup.awaited import awaited

pytestmark = pytest.mark.usefixtures("database")


def traces() -> Counter[str]:
    return Counter(Effect.objects.values_list("key", flat=True))


def enqueue_traces(number: int) -> list[int]:
    return leave_trace.enqueue_many([((str(n),), {}) for n in range(number)])


# Everything, once


def test_a_worker_runs_everything_exactly_once(crew: Crew) -> None:
    numbers = enqueue_traces(500)

    crew.work_until_idle(threads=4)

    assert traces() == Counter({str(n): 1 for n in range(500)})
    assert Job.objects.count() == 0
    assert FinishedJob.objects.filter(pk__in=numbers, state="succeeded", attempts=1).count() == 500


def test_jobs_with_a_mebibyte_of_arguments_hold_up_no_others(crew: Crew) -> None:
    enqueue_traces(100)
    heavy = nothing.enqueue_many([(("x" * 2**20,), {}) for _ in range(20)])
    enqueue_traces(100)

    crew.work_until_idle()

    assert traces().total() == 200
    assert FinishedJob.objects.filter(pk__in=heavy, state="succeeded", attempts=1).count() == 20


def test_two_workers_share_the_work_and_run_everything_exactly_once(crew: Crew) -> None:
    hands = [crew.start(threads=2) for _ in range(2)]
    held = [hold(str(n)) for n in range(-4, 0)]
    eventually(lambda: len(traces()) == 4)  # each of the four slots has begun one
    numbers = enqueue_traces(300)

    for n in range(-4, 0):
        gates[str(n)].set()
    eventually(lambda: Job.objects.count() == 0, within=30)

    assert traces() == Counter({str(n): 1 for n in range(-4, 300)})
    assert FinishedJob.objects.filter(state="succeeded").count() == len(numbers) + len(held)
    assert all(hand.works for hand in hands)


def test_a_worker_runs_as_many_jobs_at_once_as_it_has_slots(crew: Crew) -> None:
    for n in range(3):
        hold(str(n))
    crew.start(threads=2)

    eventually(lambda: len(traces()) == 2)
    gates["0"].set()
    eventually(lambda: len(traces()) == 3)

    eventually(lambda: FinishedJob.objects.filter(state="succeeded").count() == 1)


def test_a_worker_serves_only_its_queues(crew: Crew) -> None:
    mail, slow = leave_trace.using(queue="mail").enqueue("mail"), leave_trace.using(queue="slow").enqueue("slow")

    crew.work_until_idle(queues=["mail"])

    assert (state_of(mail.pk), state_of(slow.pk)) == ("succeeded", "ready")


def test_the_most_urgent_job_runs_first(crew: Crew) -> None:
    for priority in (0, 50, -50, 50):
        leave_trace.using(priority=priority).enqueue(str(priority))
    with heard(signals.job_started) as started:
        crew.work_until_idle(threads=1)

    assert [decode(each["job"].arguments)[0] for each in started] == [["50"], ["50"], ["0"], ["-50"]]


def test_until_idle_ends_when_nothing_is_due_and_leaves_what_is_not(crew: Crew) -> None:
    done, later = leave_trace("now"), leave_trace.using(schedule=3600).enqueue("later")

    crew.work_until_idle()

    assert (state_of(done.pk), state_of(later.pk)) == ("succeeded", "scheduled")
    assert WorkerProcess.objects.count() == 0


def test_until_idle_does_what_became_due_before_it_began(crew: Crew) -> None:
    enqueue("late", task="tests.app.tasks.leave_trace", state="scheduled", delay=-1.0)

    crew.work_until_idle()

    assert traces() == {"late": 1}


def test_until_idle_does_its_share_of_a_flood_that_begins_with_others(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.queue.MOST_PROMOTED", 2)
    now = database_now(ALIAS)
    for age in (9, 8, 7):
        enqueue(state=JobState.SCHEDULED, run_at=now - timedelta(seconds=age), queue="other")
    enqueue("mine", task="tests.app.tasks.leave_trace", state=JobState.SCHEDULED, run_at=now, queue="mail")

    crew.work_until_idle(queues=["mail"])

    assert traces() == {"mine": 1}


def test_until_idle_waits_for_what_runs_and_does_what_comes_of_it(crew: Crew) -> None:
    fail_at_first("again")
    snooze_at_first("once more")

    crew.work_until_idle()

    assert traces() == {"again": 2, "once more": 2}
    assert Job.objects.count() == 0


# Whatever a task does


def test_whatever_a_task_does_it_is_recorded_and_the_next_one_runs(crew: Crew) -> None:
    failed, exited, cancelled = fail("no"), call_exit(3), cancel("gone")
    snoozed, retried, done = snooze_at_first("s"), fail_at_first("r"), leave_trace("t")

    crew.work_until_idle(threads=1)

    history = {row.pk: row for row in FinishedJob.objects.all()}
    assert (history[failed.pk].state, history[failed.pk].reason) == ("failed", "RuntimeError: no")
    assert (history[exited.pk].state, history[exited.pk].reason) == ("failed", "SystemExit: 3")
    assert (history[cancelled.pk].state, history[cancelled.pk].reason) == ("cancelled", "gone")
    assert (history[snoozed.pk].state, history[snoozed.pk].attempts) == ("succeeded", 1)
    assert (history[retried.pk].state, history[retried.pk].attempts) == ("succeeded", 2)
    assert history[retried.pk].error_list[0]["kind"] == "ConnectionError"
    assert "in fail_at_first" in history[retried.pk].error_list[0]["traceback"]
    assert history[done.pk].state == "succeeded"


@pytest.mark.parametrize("message", ["a\x00b", "\ud83d", "🔔", "x" * 10**6])
def test_no_message_of_a_task_stops_its_worker(crew: Crew, message: str) -> None:
    failed, cancelled, done = fail(message), cancel(message), leave_trace("next")

    crew.work_until_idle()

    assert [state_of(job.pk) for job in (failed, cancelled, done)] == ["failed", "cancelled", "succeeded"]


def test_what_a_task_returns_is_not_looked_at_and_not_kept(crew: Crew) -> None:
    returned.clear()
    hand = crew.start()
    job = return_unshowable()

    eventually(lambda: state_of(job.pk) == "succeeded")
    eventually(lambda: [result() is None for result in returned] == [True])

    assert hand.works


@pytest.mark.only_on("postgresql", "mysql")
def test_no_job_finds_the_session_that_the_server_has_ended(crew: Crew) -> None:
    for n in range(3):
        lose_the_session(str(n))

    crew.work_until_idle(threads=1)

    assert traces() == {"0": 1, "1": 1, "2": 1}
    assert FinishedJob.objects.filter(state="succeeded").count() == 3


def test_a_job_past_its_deadline_is_missed_and_not_run(crew: Crew) -> None:
    past = database_now(ALIAS) - timedelta(seconds=60)
    id = enqueue("late", task="tests.app.tasks.leave_trace", start_by=past)

    crew.work_until_idle()

    assert (state_of(id), FinishedJob.objects.get(pk=id).attempts) == ("missed", 0)
    assert traces() == {}


def test_events_tell_what_happened(crew: Crew) -> None:
    job = leave_trace("one")

    with heard(signals.job_started) as started, heard(signals.job_ended) as ended:
        crew.work_until_idle()

    assert [each["job"].id for each in started] == [job.pk]
    assert [each["job"].id for each in ended] == [job.pk]
    assert 0 <= started[0]["late"] < 10
    assert 0 <= ended[0]["took"] < 10


# A task that is not known here


@pytest.mark.usefixtures("own_declarations")
def test_a_job_of_an_unknown_task_is_left_to_a_worker_that_knows_it(crew: Crew) -> None:
    id = enqueue("new", task="shop.new")
    known = leave_trace("known")

    with heard(signals.task_unknown) as told:
        old = crew.start()
        eventually(lambda: state_of(known.pk) == "succeeded" and told)
        eventually(lambda: state_of(id) == "ready")
    (row,) = rows()[:1]
    assert (row["attempts"], row["interruptions"], row["errors"]) == (0, 0, "")
    assert [each["task"] for each in told] == ["shop.new"]

    tasks.register(tasks.Task(leave_trace.task.function, "shop.new"))
    crew.work_until_idle()
    assert state_of(id) == "succeeded"
    assert traces() == {"known": 1, "new": 1}
    assert old.works


def test_a_job_under_a_name_that_its_task_had_before_runs(crew: Crew, own_declarations: None) -> None:
    id = enqueue("old", task="shop.old")
    tasks.register(tasks.Task(leave_trace.task.function, "shop.renamed", formerly=("shop.old",)))

    crew.work_until_idle()

    assert state_of(id) == "succeeded"
    assert FinishedJob.objects.get(pk=id).task == "shop.old"


def test_an_unknown_task_is_told_once_however_many_jobs_it_has(crew: Crew) -> None:
    for n in range(20):
        enqueue(n, task="shop.new")

    with heard(signals.task_unknown) as told:
        crew.work_until_idle()

    assert len(told) == 1
    assert Job.objects.filter(state="ready", attempts=0).count() == 20


# Slow jobs


def test_slow_jobs_do_not_hold_back_those_behind_them(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LOOKAHEAD", 1.0)
    monkeypatch.setattr(intake, "LONGEST_QUEUEING", 0.1)
    enqueue_traces(100)  # so fast that the worker claims ahead
    slow = [hold("slow"), hold("slower")]
    behind = [leave_trace(f"behind {n}") for n in range(8)]
    crew.start(threads=2)

    eventually(lambda: len(traces()) == 102)
    eventually(lambda: Job.objects.filter(state="ready").count() == 8)
    crew.work_until_idle()

    assert [state_of(job.pk) for job in behind] == ["succeeded"] * 8
    assert [state_of(job.pk) for job in slow] == ["running"] * 2


def test_a_worker_with_one_slow_job_asks_for_more_as_seldom_as_an_idle_one(crew: Crew) -> None:
    hold("slow")
    hand = crew.start(threads=2, longest_sleep=0.3)

    eventually(lambda: traces())

    eventually(lambda: hand.patience == 0.3)


def test_a_worker_whose_slots_are_taken_waits_for_one_although_jobs_may_lie_behind_its_marks(crew: Crew) -> None:
    hold("slow")
    hand = crew.start(threads=1)
    eventually(lambda: traces())

    marks = hand.loop.intake.marks
    marks._passed_over, marks._everywhere_at = True, 0.0  # a look is overdue

    assert hand.loop._sleep(None) > 0


def test_outcomes_are_gathered_for_longer_than_a_job_takes_but_not_where_somebody_may_wait_for_the_end(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold("slow")
    hand = crew.start(threads=1)
    eventually(lambda: traces())
    (job,) = hand.loop.pool.held()

    assert hand.loop._gathering() == loop.GATHERING > pace.LOOKAHEAD / 2
    awaited.ask([job.id])
    assert hand.loop._gathering() == loop.GATHERING_IF_AWAITED <= 0.005
    awaited.take([job.id])
    monkeypatch.setattr(hand.loop.pool, "held", lambda: [job, job._replace(lane="a")])
    assert hand.loop._gathering() == loop.GATHERING_IF_AWAITED


# Sessions and threads


@pytest.fixture
def short_lived_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's default: a session ends with the request."""
    monkeypatch.setitem(connections.settings[ALIAS], "CONN_MAX_AGE", 0)


def sessions_of_slots(crew: Crew) -> list[Session]:
    return [each for each in crew.sessions if each.alias == ALIAS and each.connection is not connections[ALIAS]]


def sessions_for(crew: Crew, jobs: int) -> int:
    """How many sessions a slot opens for so many jobs. On MySQL, Django opens one more beforehand."""
    enqueue_traces(jobs)
    crew.sessions.clear()
    crew.work_until_idle(threads=1)
    return len(sessions_of_slots(crew))


@pytest.mark.usefixtures("short_lived_sessions")
def test_jobs_that_follow_each_other_share_a_session(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a machine that is busy with something else takes from one to the next."""
    monkeypatch.setattr(slot_connections, "LONGEST_USE", 60)
    monkeypatch.setattr(pool, "BREAK", 60)

    assert sessions_for(crew, jobs=20) == sessions_for(crew, jobs=1)


@pytest.mark.parametrize(("max_age", "more"), [(0, 2), (60, 0)])
def test_a_session_that_was_used_for_long_lives_on_as_long_as_the_project_says(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, max_age: int, more: int
) -> None:
    monkeypatch.setitem(connections.settings[ALIAS], "CONN_MAX_AGE", max_age)
    monkeypatch.setattr(slot_connections, "LONGEST_USE", 0.0)

    assert sessions_for(crew, jobs=3) - sessions_for(crew, jobs=1) == more


@pytest.mark.usefixtures("short_lived_sessions")
def test_an_idle_slot_gives_up_its_session(crew: Crew) -> None:
    crew.start(threads=1)
    leave_trace("first")

    eventually(lambda: sessions_of_slots(crew))

    eventually(lambda: all(each.connection.connection is None for each in sessions_of_slots(crew)))


@pytest.mark.usefixtures("short_lived_sessions")
def test_no_job_finds_the_transaction_that_another_left_open(crew: Crew) -> None:
    leave_transaction_open()
    enqueue_traces(2)

    crew.work_until_idle(threads=1)

    assert len(traces()) == 2


def test_a_worker_that_ended_leaves_no_thread_no_session_and_no_name(crew: Crew) -> None:
    enqueue_traces(20)

    crew.work_until_idle()

    eventually(lambda: not slots())
    assert all(
        each.connection.connection is None for each in crew.sessions if each.connection is not connections[ALIAS]
    )
    assert WorkerProcess.objects.count() == 0


def test_a_worker_is_on_the_roster_with_what_it_serves(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.1}
    crew.start(threads=3, queues=["mail", "slow"])

    row = eventually(lambda: WorkerProcess.objects.first())
    assert row is not None
    assert (row.slots, row.queue_names) == (3, ["mail", "slow"])
    eventually(lambda: WorkerProcess.objects.get().heartbeat_at > row.heartbeat_at)
