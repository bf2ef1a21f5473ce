"""`process_tasks --reload`: to begin anew is a clean stop, and code that does not work is waited for."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest
from django.db.models import Max

from tests.app.models import Effect
from tests.conformance.worker.process.workshop import SETTINGS, TASKS, Workshop
from tests.processes import Process, StartProcess, eventually
from worker import queue
from worker.models import FinishedJob, Job, JobState, WorkerProcess
from worker.values import NewJob

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def begin(process: StartProcess, workshop: Workshop, *flags: str, seconds: float = 60) -> tuple[Process, int]:
    """A process that has begun one job, and the job's id."""
    arguments = f'[["{workshop.folder.name}", {seconds}], {{}}]'
    job, _ = queue.enqueue(NewJob("workshop.tasks.work", arguments, "default", 0, max_attempts=5), "default")
    worker = process("process_tasks", "--reload", *flags, environment=workshop.environment)
    eventually(lambda: begun() == 1, within=30)
    return worker, job


def begun() -> int:
    return Effect.objects.count()


def has_begun(times: int) -> bool:
    return begun() == times


def has_waited(worker: Process, times: int) -> bool:
    return worker.output.count("starts again when code is saved") == times


def newest_worker() -> int:
    return WorkerProcess.objects.aggregate(newest=Max("pk"))["newest"] or 0


def test_what_runs_is_given_back_unharmed_and_begins_again_however_often_a_file_is_saved(
    process: StartProcess, workshop: Workshop
) -> None:
    worker, job = begin(process, workshop)
    first = newest_worker()

    for saved in range(1, 5):
        workshop.save()
        eventually(partial(has_begun, saved + 1), within=30)
        held = Job.objects.get(pk=job)
        assert (held.worker_id, held.interruptions) == (first + saved, 0), (
            "the next process has it, and no rescue gave it"
        )

    assert worker.exit_code is None
    assert "gave up" not in worker.output
    held = Job.objects.get(pk=job)
    assert (held.state, held.interruptions, held.attempts) == (JobState.RUNNING, 0, 0)
    worker.send(signal.SIGTERM)
    assert worker.wait(within=15) == 0
    held.refresh_from_db()
    assert (held.state, held.interruptions, held.attempts) == (JobState.READY, 0, 0)
    assert not WorkerProcess.objects.exists()


def test_sigterm_after_a_save_ends_it_and_what_ran_is_given_back(process: StartProcess, workshop: Workshop) -> None:
    workshop.folder.joinpath("workshop_settings.py").write_text(SETTINGS.replace("0.2", "3"))
    worker, job = begin(process, workshop)

    workshop.save()
    eventually(lambda: " stopping: " in worker.output, within=20)
    worker.send(signal.SIGTERM)

    assert worker.wait(within=20) == 0
    held = Job.objects.get(pk=job)
    assert (held.state, held.interruptions, held.attempts) == (JobState.READY, 0, 0)
    assert begun() == 1
    assert not WorkerProcess.objects.exists()


@pytest.mark.once
def test_code_that_cannot_be_imported_is_said_and_waited_for(process: StartProcess, workshop: Workshop) -> None:
    worker, job = begin(process, workshop)

    workshop.save("def work(:")
    eventually(lambda: "starts again when code is saved" in worker.output, within=20)
    assert "SyntaxError" in worker.output
    assert worker.exit_code is None
    workshop.save()

    eventually(lambda: begun() == 2, within=20)
    assert Job.objects.get(pk=job).interruptions == 0


@pytest.mark.once
def test_until_idle_ends_when_all_is_done_with_the_new_code(process: StartProcess, workshop: Workshop) -> None:
    worker, job = begin(process, workshop, "--until-idle")

    workshop.save(TASKS.replace(".wait(seconds)", ".wait(0)"))

    assert worker.wait(within=30) == 0
    assert FinishedJob.objects.get(pk=job).interruptions == 0


@pytest.mark.once
def test_until_idle_waits_for_code_that_can_be_imported_however_often_it_cannot_and_then_ends(
    process: StartProcess, workshop: Workshop
) -> None:
    worker, job = begin(process, workshop, "--until-idle")

    for failures in (1, 2):
        workshop.save("def work(:")
        eventually(partial(has_waited, worker, failures), within=20)
        assert worker.output.count("SyntaxError") == failures
        assert worker.exit_code is None
    workshop.save(TASKS.replace(".wait(seconds)", ".wait(0)"))

    assert worker.wait(within=30) == 0
    assert FinishedJob.objects.get(pk=job).interruptions == 0


@pytest.mark.once
def test_each_of_several_processes_begins_anew(process: StartProcess, workshop: Workshop) -> None:
    worker, job = begin(process, workshop, "--processes", "2")
    eventually(lambda: WorkerProcess.objects.count() == 2, within=30)
    before = newest_worker()

    workshop.save()
    eventually(lambda: WorkerProcess.objects.filter(pk__gt=before).count() == 2, within=30)
    # One of the old processes may have had it once more, before it ended as well.
    eventually(lambda: Job.objects.filter(pk=job, state="running", worker_id__gt=before).exists(), within=30)

    assert Job.objects.get(pk=job).interruptions == 0
    worker.send(signal.SIGTERM)
    assert worker.wait(within=20) == 0
    assert not WorkerProcess.objects.exists()
