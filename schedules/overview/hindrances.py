"""What keeps jobs that are due from running. It only reads. Reasons come without secrets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from worker import masking
from worker.models import Job, WorkerProcess
from worker.reasons import what_hinders
from worker.serving import served_queues


def hindrances(jobs: Sequence[Job], workers: Collection[WorkerProcess], now: datetime) -> Mapping[int, str]:
    """By the key of a job that is hindered. `workers`: those that live."""
    served = served_queues(workers)
    found = {job.pk: masking.text(what_hinders(job, now, served)) for job in jobs}
    return {key: why for key, why in found.items() if why}
