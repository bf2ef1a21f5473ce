"""Jobs that a test runs by itself: in its own thread, connection and transaction, with all that comes of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import TestCase, TransactionTestCase

from schedules import api, background
from schedules.models import Occurrence, Schedule
from schedules.testing import ManualClock, run_jobs
from tests.app.models import Effect
from worker import Retry, Snooze, queue, roster
from worker.clock import database_now
from worker.models import FinishedJob, Job
from worker.outcomes import Succeeded
from worker.values import Ended


@background
def note(key: str) -> str:
    Effect.objects.create(key=key)
    return key


@background(max_attempts=2, backoff=[60])
def note_and_fail(key: str) -> None:
    note.now(key)
    raise LookupError(key)


@background(max_attempts=2)
def ask_for_another_attempt(key: str) -> None:
    note.now(key)
    raise Retry(after=60, reason=key)


@background(max_attempts=9, give_up_on=[LookupError])
def give_up(key: str) -> None:
    note_and_fail.now(key)


@background(max_attempts=1, atomic=True)
def note_and_fail_atomically(key: str) -> None:
    note_and_fail.now(key)


@background(max_attempts=1)
def break_the_transaction() -> None:
    Effect.objects.create(pk=1, key="twice")
    Effect.objects.create(pk=1, key="twice")


@background(max_attempts=1)
def leave_the_transaction_to_be_rolled_back() -> None:
    with transaction.atomic(), transaction.atomic(savepoint=False):
        break_the_transaction.now()


@background(atomic=True)
def enqueue_another(key: str) -> None:
    note(key)


@background
def never_ending() -> None:
    never_ending()


@background
def snoozes() -> None:
    raise Snooze(60)


class Runs:
    """The same in each kind of test case."""

    def states(self, **given: Any) -> list[str]:
        return [job.state for job in run_jobs(**given)]

    def keys(self) -> list[str]:
        return list(Effect.objects.order_by("pk").values_list("key", flat=True))

    def test_twenty_jobs_run_in_order_and_are_in_history(self) -> None:
        for number in range(20):
            note(f"{number}")

        assert self.states() == ["succeeded"] * 20
        assert self.keys() == [f"{number}" for number in range(20)]
        assert (Job.objects.count(), FinishedJob.objects.count()) == (0, 20)
        assert run_jobs() == []

    def test_what_a_job_enqueues_runs_too(self) -> None:
        enqueue_another("by a job")

        assert self.states() == ["succeeded"] * 2
        assert self.keys() == ["by a job"]

    def test_a_task_says_when_it_is_tried_again_and_its_reason_is_kept(self) -> None:
        job = ask_for_another_attempt("too many requests")
        clock = ManualClock(database_now("default"))

        assert run_jobs(clock=clock) == []
        job.refresh_from_db()
        (error,) = job.error_list
        assert (error["message"], error["attempt"]) == ("too many requests", 1)
        assert timedelta(seconds=59) < job.run_at - clock.now() < timedelta(seconds=61)
        clock.advance(59)
        assert run_jobs(clock=clock) == []
        clock.advance(3)
        (ended,) = run_jobs(clock=clock)
        assert (ended.state, ended.attempts, ended.reason) == ("failed", 2, "Retry: too many requests")

    def test_an_error_on_which_the_task_gives_up_is_the_last(self) -> None:
        give_up("one")

        (ended,) = run_jobs()
        assert (ended.state, ended.attempts) == ("failed", 1)

    def test_a_failed_run_does_not_end_its_schedule(self) -> None:
        clock = ManualClock(database_now("default"))
        api.schedule(give_up, name="daily", args=["one"], repeat=86_400)
        for _ in range(3):
            clock.advance(86_500)
            assert self.states(clock=clock) == ["failed"]

        assert Schedule.objects.get().next_run_at is not None

    def test_a_failure_is_recorded_and_waits_for_its_next_attempt(self) -> None:
        job = note_and_fail("one")
        clock = ManualClock(database_now("default"))

        assert run_jobs(clock=clock) == []
        assert Job.objects.get(pk=job.pk).error_list[0]["kind"] == "LookupError"
        clock.advance(120)
        assert self.states(clock=clock) == ["failed"]
        assert self.keys() == ["one", "one"]

    def test_a_delayed_job_runs_when_its_time_has_come(self) -> None:
        note("later", schedule=20)
        clock = ManualClock(database_now("default"))

        assert self.states(clock=clock) == []
        clock.advance(30)
        assert self.states(clock=clock) == ["succeeded"]

    def test_a_job_of_which_a_note_says_that_it_has_ended_is_recorded_and_does_not_run(self) -> None:
        note("one")
        worker = roster.sign_in("default", "host:1", 1, [])
        claimed = queue.claim("default", worker, 1)
        now = database_now("default")
        told = queue.errors_with_note(Ended(claimed[0], Succeeded(), now, now), "no room")
        queue.note("default", [(claimed[0], str(told))])
        queue.release("default", claimed)

        assert self.states() == ["succeeded"]
        assert self.keys() == []
        assert FinishedJob.objects.get().errors == ""

    def test_schedules_that_are_due_give_their_jobs(self) -> None:
        note("hourly", repeat=3600)
        clock = ManualClock(database_now("default") + timedelta(seconds=1))

        assert self.states(clock=clock) == ["succeeded"]
        clock.advance(3600)
        assert self.states(clock=clock) == ["succeeded"]
        assert Occurrence.objects.count() == 2
        assert Schedule.objects.filter(next_run_at__gt=clock.now()).exists()

    def test_an_atomic_task_that_fails_leaves_nothing(self) -> None:
        note_and_fail_atomically("gone")

        assert self.states() == ["failed"]
        assert self.keys() == []

    def test_a_task_that_the_database_refuses_harms_neither_the_test_nor_the_next(self) -> None:
        for task in (break_the_transaction, leave_the_transaction_to_be_rolled_back):
            task()
        note("after")

        jobs = run_jobs()
        assert [job.state for job in jobs] == ["failed", "failed", "succeeded"]
        assert jobs[0].error_list[0]["kind"] == "IntegrityError"
        assert "after" in self.keys()

    def test_queues_are_chosen_and_unknown_tasks_are_left(self) -> None:
        note("mail", queue="mail")
        job = note("unknown")
        Job.objects.filter(pk=job.pk).update(task="gone.tasks.report")

        assert self.states(queues=["mail"]) == ["succeeded"]
        assert self.states() == []
        assert Job.objects.get().state == "ready"

    def test_jobs_without_an_end_are_told(self) -> None:
        never_ending()

        with pytest.raises(
            RuntimeError, match=r'^5 jobs have run, and there is still more to do, such as ".*never_end'
        ):
            run_jobs(most=5)

    def test_a_job_that_is_put_off_is_not_among_those_that_ended(self) -> None:
        snoozes()

        assert run_jobs() == []
        assert Job.objects.get().state == "scheduled"


class RunsInATransaction(Runs, TestCase):
    def test_process_tasks_says_at_once_that_it_would_see_nothing(self) -> None:
        with pytest.raises(CommandError, match=r"cannot see the transaction .* schedules\.testing\.run_jobs\(\)"):
            call_command("process_tasks", until_idle=True, verbosity=0)

    def test_an_enqueue_adds_a_callback_only_where_other_processes_are_told_of_it(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            note("one")

        assert len(callbacks) == (1 if connection.vendor == "postgresql" else 0)

    def test_where_processes_are_not_told_an_enqueue_adds_no_callback(self) -> None:
        with self.settings(SCHEDULER={"WAKEUP": "poll"}), self.captureOnCommitCallbacks() as callbacks:
            note("one")
            note.enqueue_many([(("two",), {})])
            note("three", schedule=60, remove_existing_tasks=True)
            run_jobs()

        assert callbacks == []


class RunsCommitted(Runs, TransactionTestCase):
    def test_what_an_integrity_error_did_not_undo_stays(self) -> None:
        break_the_transaction()

        run_jobs()

        assert self.keys() == ["twice"]


def test_an_error_in_the_test_itself_is_left_to_it(database: None) -> None:
    def run_and_fail() -> None:
        with transaction.atomic():
            note("b")
            run_jobs()
            break_the_transaction.now()

    with pytest.raises(IntegrityError):
        run_and_fail()

    assert (Effect.objects.count(), FinishedJob.objects.count()) == (0, 0)
