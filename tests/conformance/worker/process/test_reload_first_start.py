"""`process_tasks --reload`: code that does not work at the very first start is said and waited for, as Django does."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.app.models import Effect
from tests.conformance.worker.process.workshop import TASKS, Workshop
from tests.processes import Process, StartProcess, eventually
from worker import queue
from worker.models import FinishedJob
from worker.values import NewJob

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.once]

REFUSED_BY_A_CHECK = """
from django.core.checks import Error, register

@register
def refuse(app_configs, **_):
    return [Error("This project is not ready.")]
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def start(process: StartProcess, workshop: Workshop, *flags: str) -> Process:
    return process("process_tasks", "--reload", *flags, environment=workshop.environment)


def waits(worker: Process, times: int = 1) -> None:
    eventually(lambda: worker.output.count("starts again when code is saved") == times, within=30)
    assert worker.exit_code is None


@pytest.mark.parametrize(
    ("file", "wrong", "said"),
    [
        ("tasks.py", "def work(:", "SyntaxError"),
        ("tasks.py", TASKS.replace("import threading", "import threadingg"), "ModuleNotFoundError"),
        ("models.py", "wrong", "NameError"),
        ("tasks.py", f"{TASKS}{REFUSED_BY_A_CHECK}", "This project is not ready."),
    ],
    ids=["syntax", "import", "models", "check"],
)
def test_code_that_does_not_work_at_the_first_start_is_said_and_waited_for(
    process: StartProcess, workshop: Workshop, file: str, wrong: str, said: str
) -> None:
    job, _ = queue.enqueue(NewJob("workshop.tasks.work", '[["done", 0], {}]', "default", 0, max_attempts=5), "default")
    broken = workshop.tasks.with_name(file)
    right = broken.read_text() if broken.exists() else ""
    broken.write_text(wrong)

    worker = start(process, workshop, "--until-idle")
    waits(worker)
    assert worker.output.count(said) == 1
    broken.write_text(f"{wrong}\n# still wrong\n")
    waits(worker, times=2)
    broken.write_text(right)

    assert worker.wait(within=30) == 0
    assert Effect.objects.count() == 1
    assert FinishedJob.objects.get(pk=job).interruptions == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_waits_for_code_ends_at_a_signal_and_says_nothing_more(
    process: StartProcess, workshop: Workshop, number: signal.Signals
) -> None:
    workshop.save("def work(:")
    worker = start(process, workshop)
    waits(worker)
    before = worker.output

    worker.send(number)

    assert worker.wait(within=10) in (130, -signal.SIGTERM)
    assert worker.output == before


def test_without_reload_code_that_does_not_work_ends_the_command(process: StartProcess, workshop: Workshop) -> None:
    workshop.save("def work(:")

    worker = process("process_tasks", environment=workshop.environment)

    assert worker.wait(within=30) == 1
    assert "SyntaxError" in worker.output


def test_a_wrong_flag_ends_the_command_and_no_code_is_waited_for(process: StartProcess, workshop: Workshop) -> None:
    worker = start(process, workshop, "--threads", "none")

    assert worker.wait(within=30) == 2
    assert 'argument --threads: "none" is not a whole number from 1 on.' in worker.output
