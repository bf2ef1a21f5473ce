"""A task tells how far it is, and others see it while it runs, on every database."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from schedules.testing import run_jobs
from tests.app.tasks import gates, tell_and_hold
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    another_session,
    ended,
    enqueue,
    in_history,
    rows_are_locked,
    state_of,
)
from tests.conformance.worker.reports import written
from tests.conformance.worker.reports.tasks import (
    calls,
    read_and_tell_atomically,
    tell_and_fail,
    tell_and_wait,
    tell_atomically,
    tell_in_a_transaction,
    tell_much,
    tell_nonsense,
    tell_twice_and_wait,
)
from tests.conformance.worker.reports.written import started
from tests.processes import StartProcess, eventually
from tests.refusals import raising, renamed
from worker import queue, signals
from worker.api import Progress, aget, get
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobReport
from worker.outcomes import Succeeded

pytestmark = pytest.mark.usefixtures("database")


def told_by(id: int) -> tuple[float, float | None, str] | None:
    progress = get(id).progress
    return (progress.done, progress.total, progress.note) if progress else None


def test_what_a_task_tells_is_seen_while_it_runs_and_the_last_is_kept(crew: Crew) -> None:
    before = database_now(ALIAS)
    job = tell_and_wait("a", 40, 41)
    crew.start()

    eventually(lambda: told_by(job.pk) == (40, 120, "a"))
    assert state_of(job.pk) == "running"
    gates["a"].set()
    eventually(lambda: state_of(job.pk) == "succeeded")

    progress = get(job.pk).progress
    assert isinstance(progress, Progress)
    assert (progress.done, progress.total, progress.note, progress.attempt) == (41, 120, "a", 1)
    assert f"{progress.done}/{progress.total}" == "41/120"
    assert progress.fraction == 41 / 120
    assert before <= progress.at <= database_now(ALIAS) + timedelta(seconds=1)


def test_a_job_that_tells_nothing_has_no_report(crew: Crew) -> None:
    job = tell_nonsense()
    crew.work_until_idle()

    assert get(job.pk).progress is None
    assert not JobReport.objects.exists()


def test_nonsense_is_an_error_of_the_task_that_says_what_it_told(crew: Crew) -> None:
    job = tell_nonsense()
    crew.work_until_idle()

    assert "done is nan, but must be a finite number from 0 on." in get(job.pk).errors[0]["message"]


def test_jobs_beside_each_other_each_have_their_own(crew: Crew) -> None:
    jobs = [tell_and_wait(gate, number, number + 10) for number, gate in enumerate("abcd")]
    crew.start(threads=4)

    eventually(lambda: [told_by(job.pk) for job in jobs] == [(n, 120, gate) for n, gate in enumerate("abcd")])
    for gate in "abcd":
        gates[gate].set()
    eventually(lambda: all(state_of(job.pk) == "succeeded" for job in jobs))
    assert [told_by(job.pk) for job in jobs] == [(n + 10, 120, gate) for n, gate in enumerate("abcd")]


def test_a_job_that_tells_a_thousand_times_is_written_a_few_times_and_its_last_is_kept(crew: Crew) -> None:
    job = tell_much(20_000)
    crew.work_until_idle()

    assert told_by(job.pk) == (20_000, 20_000, "")


@rows_are_locked
def test_what_is_told_inside_a_transaction_is_seen_before_it_ends_and_is_not_undone_with_it(crew: Crew) -> None:
    job = tell_in_a_transaction("a", writes=True)
    crew.start()

    eventually(lambda: told_by(job.pk) == (1, 2, ""))
    assert state_of(job.pk) == "running"
    gates["a"].set()
    eventually(lambda: state_of(job.pk) == "succeeded")
    assert told_by(job.pk) == (1, 2, "")


@pytest.mark.only_on("sqlite")
def test_what_is_told_while_the_task_holds_the_write_lock_is_seen_when_it_lets_go(crew: Crew) -> None:
    job = tell_in_a_transaction("a", writes=True)
    hand = crew.start()
    eventually(lambda: hand.works and state_of(job.pk) == "running")
    gates["a"].set()

    eventually(lambda: state_of(job.pk) == "succeeded")
    assert told_by(job.pk) == (1, 2, "")


def test_what_an_atomic_task_tells_is_seen_before_it_commits_and_its_last_after(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2}  # on SQLite it goes along with a sign of life
    job = tell_atomically("a")
    crew.start()

    eventually(lambda: told_by(job.pk) == (1, 2, ""))
    assert state_of(job.pk) == "running"
    gates["a"].set()
    eventually(lambda: told_by(job.pk) == (2, 2, ""))
    assert state_of(job.pk) == "succeeded"


def test_no_report_undoes_an_atomic_run_of_its_worker(crew: Crew) -> None:
    calls.clear()
    job, beside = read_and_tell_atomically("a"), tell_twice_and_wait("b")
    hand = crew.start(threads=2)
    eventually(lambda: told_by(beside.pk) == (1, None, ""))
    gates["a"].set()
    eventually(lambda: calls == ["a"] and hand.loop.reports.due_at > time.monotonic())
    gates["b"].set()
    eventually(lambda: calls == ["a", "b"])
    looks_at = hand.loop.reports.due_at
    eventually(lambda: hand.loop.reports.due_at > looks_at or told_by(beside.pk) == (2, None, ""))
    gates["end of a"].set()
    eventually(lambda: told_by(job.pk) == (2, 2, ""))

    assert calls == ["a", "b"]
    assert [line.partition("Z ")[2] for line in get(job.pk).log.splitlines()[1:]] == ["WARNING shop: from a"]
    eventually(lambda: told_by(beside.pk) == (2, None, ""))


def test_what_a_failed_attempt_told_is_kept_until_the_next_one_tells(crew: Crew) -> None:
    job = tell_and_fail(7)
    crew.work_until_idle()

    progress = get(job.pk).progress
    assert progress is not None
    assert (progress.done, progress.total, progress.attempt) == (7, None, 2)
    assert progress.fraction is None


def test_a_killed_worker_leaves_what_was_told(process: StartProcess) -> None:
    job = tell_and_hold("killed", 40)
    worker = process("process_tasks", "--threads", "1")
    eventually(lambda: told_by(job.pk) == (40, None, "killed"), within=30)

    worker.send(signal.SIGKILL)
    worker.wait(within=10)

    assert told_by(job.pk) == (40, None, "killed")


def test_the_tools_for_tests_keep_what_is_told() -> None:
    job = tell_much(3)
    run_jobs()

    assert told_by(job.pk) == (3, 3, "")


def test_a_task_that_is_called_at_once_tells_nobody() -> None:
    tell_much.now(3)

    assert not JobReport.objects.exists()


def test_asynchronous_code_reads_it_with_the_job(crew: Crew) -> None:
    job = tell_much(3)
    crew.work_until_idle()

    async def ask() -> list[Progress | None]:
        handle = await aget(job.pk)
        return [handle.progress, (await handle.arefresh()).progress]

    assert [progress and progress.done for progress in asyncio.run(ask())] == [3, 3]


# What the database says to it


def test_a_worker_whose_reports_have_no_table_records_outcomes_as_ever(crew: Crew) -> None:
    job = tell_much(3)
    with heard(signals.reports_refused) as refused, renamed("worker_jobreport"):
        crew.work_until_idle()

    assert state_of(job.pk) == "succeeded"
    assert get(job.pk).progress is None
    assert [each["jobs"] for each in refused] == [[job.pk]]


def test_a_note_that_the_database_refuses_is_kept_in_ascii_and_holds_up_no_other(crew: Crew) -> None:
    first, second = tell_and_wait("ü", 1, 2), tell_and_wait("b", 1, 2)
    gates["ü"].set()
    gates["b"].set()
    with raising("worker_jobreport", only="NEW.note = 'ü'"):
        crew.work_until_idle()

    assert told_by(first.pk) == (2, 120, r"\xfc")
    assert told_by(second.pk) == (2, 120, "b")


# When its time is over


def test_history_that_is_pruned_takes_its_reports_along_and_no_others(crew: Crew) -> None:
    old, young = tell_much(1), tell_much(2)
    crew.work_until_idle()
    enqueue()
    FinishedJob.objects.filter(pk=old.pk).update(finished_at=database_now(ALIAS) - timedelta(days=9))

    assert sum(queue.prune(ALIAS, database_now(ALIAS) - timedelta(days=1))) == 1

    assert list(JobReport.objects.values_list("pk", flat=True)) == [young.pk]


def test_a_job_that_goes_into_history_under_a_new_id_takes_its_report_along() -> None:
    job = started()
    in_history(job.id)
    FinishedJob.objects.filter(pk=job.id).update(finished_at=database_now(ALIAS) - timedelta(seconds=1))
    written.tell(job, 3)
    written.log(job, "one")
    JobReport.objects.create(id=job.id + 1, done=9)  # of a job whose row somebody has erased

    assert queue.ack_anew(ALIAS, ended(job, Succeeded()))

    new = FinishedJob.objects.latest("pk")
    assert new.pk == job.id + 1
    assert told_by(new.pk) == (3, None, "")
    assert "one" in get(new.pk).log
    assert told_by(job.id) is None


def test_a_job_that_goes_into_history_under_a_new_id_leaves_the_report_of_the_other_one() -> None:
    job = started()
    written.tell(job, 3)
    in_history(job.id)

    assert queue.ack_anew(ALIAS, ended(job, Succeeded()))

    new = FinishedJob.objects.latest("pk")
    assert (told_by(job.id), told_by(new.pk)) == ((3, None, ""), None)


def test_a_job_goes_into_history_under_a_new_id_where_reports_have_no_table() -> None:
    job = started()
    in_history(job.id)
    with renamed("worker_jobreport"):
        assert queue.ack_anew(ALIAS, ended(job, Succeeded()))


@rows_are_locked
def test_a_job_that_somebody_has_locked_holds_up_no_report_of_others(crew: Crew) -> None:
    first, second = tell_and_wait("a", 1, 2), tell_and_wait("b", 1, 2)
    hand = crew.start(threads=2)
    eventually(lambda: told_by(first.pk) and told_by(second.pk))
    gates["b"].set()
    with another_session() as using, transaction.atomic(using=using):
        list(Job.objects.using(using).filter(pk=first.pk).select_for_update())
        eventually(lambda: told_by(second.pk) == (2, 120, "b"))
    gates["a"].set()
    eventually(lambda: told_by(first.pk) == (2, 120, "a"))
    assert hand.works
