"""A slot whose thread dies: the worker notices, puts another in its place, and says how many live."""

from __future__ import annotations

from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from schedules.doctor import work
from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.conformance.schedules.doctor.test_doctor import found
from tests.conformance.worker.process.workers import Crew, slots
from tests.conformance.worker.queue.jobs import ALIAS
from tests.processes import eventually
from worker import roster
from worker.models import FinishedJob, Job, WorkerProcess
from worker.running.slot import Slot

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


def die(*_: Any) -> None:
    raise MemoryError


def test_a_worker_replaces_slots_that_have_died_and_their_jobs_run_again(
    crew: Crew, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2, "BACKOFF": [0]}
    with monkeypatch.context() as while_broken:
        while_broken.setattr(Slot, "run", die)
        job = leave_trace("one")
        hand = crew.start(threads=1)
        eventually(lambda: Job.objects.filter(pk=job.pk, attempts=1).exists())
    eventually(lambda: FinishedJob.objects.filter(pk=job.pk, state="succeeded").exists())

    assert Effect.objects.filter(key="one").count() == 1
    errors = FinishedJob.objects.get(pk=job.pk).error_list
    assert {each["kind"] for each in errors} == {"SlotDied"}
    assert (hand.works, len(slots())) == (True, 1)
    eventually(lambda: WorkerProcess.objects.get().slots_alive == 1)


def test_a_worker_with_fewer_slots_than_it_says_is_told() -> None:
    id = roster.sign_in(ALIAS, "w:1", 4, [])
    assert roster.beat(ALIAS, id, slots_alive=4)
    assert "dead-slots" not in _checked()

    assert roster.beat(ALIAS, id, slots_alive=3)

    assert "dead-slots: w:1 has only 3 of its 4 slots.\n" in _checked()
    assert found(work.problems)["dead-slots"].severity == "error"


def _checked() -> str:
    out = StringIO()
    with suppress(SystemExit):
        call_command("list_schedule", "--check", stdout=out)
    return out.getvalue()
