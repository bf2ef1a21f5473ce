"""Jobs with long arguments or results behind many tiny ones, whose pace has a worker hold hundreds of them at once."""

from __future__ import annotations

import sys

import pytest

from tests.chaos import scale
from tests.chaos.audit import assert_all_ran_once, audit
from tests.chaos.crew import Crew, mib_of, stop, wait_until_drained
from tests.chaos.tasks import carry, count, return_long
from worker.results import LONGEST

MOST_MIB = 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process that runs")
def test_long_arguments_after_many_tiny_jobs_take_little_memory(crew: Crew) -> None:
    tiny = [f"tiny {number}" for number in range(scale.TINY_JOBS)]
    long = [f"long {number}" for number in range(scale.LONG_JOBS)]
    count.enqueue_many([((label,), {}) for label in tiny])
    carry.enqueue_many([((label, "x" * 4 * 2**20), {}) for label in long])
    worker = crew.worker("--threads", "4")
    wait_until_drained()

    assert mib_of(worker, "VmHWM") <= MOST_MIB
    stop(worker)
    assert_all_ran_once(audit([*tiny, *long]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process that runs")
def test_long_results_after_many_tiny_jobs_take_little_memory(crew: Crew) -> None:
    tiny = [f"tiny {number}" for number in range(scale.TINY_JOBS)]
    long = [f"long {number}" for number in range(scale.LONG_JOBS)]
    count.enqueue_many([((label,), {}) for label in tiny])
    return_long.enqueue_many([((label, LONGEST - len('""')), {}) for label in long])
    worker = crew.worker("--threads", "4")
    wait_until_drained()

    assert mib_of(worker, "VmHWM") <= MOST_MIB
    stop(worker)
    assert_all_ran_once(audit([*tiny, *long]))
