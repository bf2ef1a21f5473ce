"""Tasks that leave a trace of each run: which job it was. So what ran can be compared with what was to run."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from django.dispatch import receiver

from schedules import background
from tests.app.models import Effect
from worker.rows import ClaimedJob
from worker.signals import job_started

_this_slot = threading.local()


@receiver(job_started)
def _remember(job: ClaimedJob, **_: Any) -> None:
    _this_slot.job_id = job.id


def _leave_trace() -> None:
    Effect.objects.create(key=str(_this_slot.job_id))


@background
def count(label: str) -> None:
    _leave_trace()


@background
def count_slowly(label: str, seconds: float) -> None:
    """Holds its slot for so long."""
    _leave_trace()
    threading.Event().wait(seconds)


@background(backoff=[0.2])
def fail_at_first(label: str) -> None:
    _leave_trace()
    if Effect.objects.filter(key=str(_this_slot.job_id)).count() == 1:
        raise ConnectionError("The other side was not there yet.")


@background
def kill_the_worker(label: str) -> None:
    _leave_trace()
    os.kill(os.getpid(), signal.SIGKILL)
