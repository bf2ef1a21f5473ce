"""A privilege is taken away for a while, from processes that work as a role of their own: nothing is lost, no storm."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from tests.chaos import scale
from tests.chaos.audit import assert_all_ran_once, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, id_of, says, stop, wait_until_drained
from tests.chaos.proxy import proxies
from tests.chaos.tasks import count, count_slowly
from tests.processes import eventually
from tests.roles import Role, role_of_test
from worker.models import WorkerProcess

pytestmark = pytest.mark.only_on("postgresql", "mysql")

JOBS = 300


@pytest.fixture
def role(crew: Crew) -> Iterator[Role]:
    """Of the processes of this test."""
    with role_of_test() as role:
        parts = urlsplit(crew.url)
        crew.url = parts._replace(netloc=f"{role.name}:{role.name}@{parts.netloc.rpartition('@')[2]}").geturl()
        yield role


def test_jobs_that_end_while_history_takes_nothing_are_recorded_afterwards_each_once(crew: Crew, role: Role) -> None:
    crew.scheduler = {"HEARTBEAT": 0.5, "RESCUE_AFTER": 2, "GRACE": 1}
    worker, doomed = crew.worker(), crew.worker()
    labels = [f"job {number}" for number in range(JOBS)]
    count_slowly.enqueue_many([((label, 0.2), {}) for label in labels[::4]])
    count.enqueue_many([((label,), {}) for label in labels if label not in labels[::4]])
    with role.without("INSERT", "worker_finishedjob"):
        over_at = time.monotonic() + max(2, scale.SECONDS / 6)
        eventually(lambda: WorkerProcess.objects.filter(unrecorded__gt=0).count() == 2, within=SECONDS_TO_START)
        assert "refuses to record" in _checked()
        stop(doomed)
        assert "Whoever claims them next records it" in doomed.output
        eventually(lambda: time.monotonic() > over_at, within=60)

    wait_until_drained()
    assert "taken from this worker" not in worker.output
    assert worker.output.count("refuses to record") < 10
    assert id_of(worker)
    stop(worker)
    assert_all_ran_once(audit(labels))


def test_a_table_that_may_not_be_read_makes_no_storm_of_sessions_and_lines(crew: Crew, role: Role) -> None:
    seconds = max(10.0, scale.SECONDS)
    with proxies(1) as (proxy,):
        with crew.behind(proxy), role.without("SELECT", "schedules_leadership"):
            worker, leader = crew.start("process_tasks"), crew.leader("--leader-only")
            eventually(says(worker, "lost the database"), within=SECONDS_TO_START)
            eventually(says(leader, "closed its session"), within=SECONDS_TO_START)
            opened, over_at = proxy.opened, time.monotonic() + seconds
            eventually(lambda: time.monotonic() > over_at, within=2 * seconds)
            opened = proxy.opened - opened
        eventually(says(leader, "elected, term"), within=SECONDS_TO_START)
        stop(worker, leader)

    logging.getLogger("chaos").info("%d sessions of two processes in %.0f s", opened, seconds)
    assert opened <= 15 + 2 * seconds / 5
    assert worker.output.count("lost the database") <= 8
    assert leader.output.count("closed its session") <= 8


def _checked() -> str:
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("list_schedule", "--check", stdout=out)
    return out.getvalue()
