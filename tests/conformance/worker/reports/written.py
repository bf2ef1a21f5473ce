"""What running jobs have told, written as their worker writes it."""

from __future__ import annotations

from typing import Any

from tests.conformance.worker.queue.jobs import ALIAS, claim_one, enqueue
from worker.clock import database_now
from worker.current.progress import told
from worker.reports.log_text import LogText
from worker.reports.table import write
from worker.reports.values import Report
from worker.values import ClaimedJob


def started(**given: Any) -> ClaimedJob:
    enqueue(**given)
    return claim_one()


def tell(job: ClaimedJob, done: float, total: float | None = None, note: str = "") -> None:
    write(ALIAS, [Report(job, database_now(ALIAS), progress=told(done, total, note))], waits=True)


def log(job: ClaimedJob, *lines: str) -> None:
    text = LogText("1 of 5")
    for line in lines:
        text.add(line)
    write(ALIAS, [Report(job, database_now(ALIAS), log=text)], waits=True)
