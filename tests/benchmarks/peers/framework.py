"""Django's Tasks framework, with one Task for whichever backend `TASKS` names. Knows no queue.

Imported once a peer has set Django up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from django.db import connection, transaction
from django.tasks import TaskResultStatus, task

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock
from tests.benchmarks.peers.record import FOLDER


@task
def job(number: int) -> str | None:
    return chores.do(number)


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    """And keep the ids, as a program does that asks for the results."""
    connection.ensure_connection()
    with clock:
        ids = [job.enqueue(number).id for number in numbers]
    _ids().write_text(json.dumps(ids))


def enqueue_at_once(numbers: Iterable[int]) -> None:
    """In one transaction, for what is measured afterwards."""
    with transaction.atomic():
        enqueue(numbers, Clock())


def get_results(clock: Clock) -> int:
    """How many Tasks have succeeded and returned what this run's chore gives."""
    ids = json.loads(_ids().read_text())
    connection.ensure_connection()
    with clock:
        results = [job.get_result(each) for each in ids]
    succeeded = (each for each in results if each.status == TaskResultStatus.SUCCESSFUL)
    return sum(each.return_value == chores.GIVEN for each in succeeded)


def _ids() -> Path:
    return Path(os.environ[FOLDER]) / "ids"
