"""What `get_result` and `worker.api.get` take beside ever more finished jobs: a row is found by its key."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from statistics import median

from django.core.management import call_command
from django.db import connection

from tests.benchmarks.framework_tasks import give_text
from tests.benchmarks.measure import Contender, Figures, side_by_side
from worker import api
from worker.models import FinishedJob

SIZES = (1_000, 100_000, 1_000_000)
TIMES = 200


def main(runs: int) -> None:
    give_text.enqueue(0)
    call_command("process_tasks", until_idle=True, verbosity=0)
    for size in SIZES:
        _fill(size)
        side_by_side(f"Beside {size:,} finished Tasks", [Contender("Carillon", _ours)], runs)


def _ours() -> Figures:
    first, last = FinishedJob.objects.order_by("pk")[0].pk, FinishedJob.objects.order_by("-pk")[0].pk
    some = [random.randint(first, last) for _ in range(TIMES)]
    return {
        "ms, get_result": _median(lambda id: give_text.get_result(str(id)), some),
        "ms, worker.api.get": _median(api.get, some),
    }


def _median(ask: Callable[[int], object], ids: Sequence[int]) -> float:
    def once(id: int) -> float:
        begun = time.perf_counter()
        ask(id)
        return time.perf_counter() - begun

    return 1e3 * median(map(once, ids))


def _fill(size: int) -> None:
    """Copies of what is there, until there are so many."""
    table = FinishedJob._meta.db_table
    columns = [str(field.column) for field in FinishedJob._meta.concrete_fields if not field.primary_key]
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    have = FinishedJob.objects.count()
    while have < size:
        last, some = FinishedJob.objects.order_by("-pk")[0].pk, min(have, size - have)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (id, {names}) SELECT id + %s, {names} FROM {table} WHERE id > %s",
                [some, last - some],
            )
        have += some
