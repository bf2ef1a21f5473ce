"""The network between a worker and its server loses every packet, and nobody tells either of them."""

from __future__ import annotations

import sys

import pytest
from django.db import connection

from tests.app.models import Effect
from tests.chaos.audit import audit
from tests.chaos.crew import SECONDS_TO_START, Crew, says, stop, wait_until_drained
from tests.chaos.proxy import proxies
from tests.chaos.tasks import count, count_slowly
from tests.processes import eventually
from worker.models import FinishedJob

RESCUE_AFTER = 2.0
MOST_SECONDS_TO_NOTICE = 3 * RESCUE_AFTER
"""Whether the time is up, the kernel looks at growing pauses."""


@pytest.mark.only_on("postgresql", "mysql")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux loses packets at a test's request")
def test_a_worker_that_is_cut_off_notices_comes_back_and_what_it_reports_late_changes_nothing(crew: Crew) -> None:
    crew.scheduler = {"HEARTBEAT": 0.5, "RESCUE_AFTER": RESCUE_AFTER}
    with proxies(1) as (way,):
        with crew.behind(way):
            cut_off = crew.worker("--threads", "2")
        labels = ["first", "second"]
        count_slowly.enqueue_many([((label, 0.5), {}) for label in labels])
        eventually(lambda: Effect.objects.count() == len(labels))
        way.cut()
        other, leader = crew.worker(), crew.leader("--leader-only")
        eventually(says(cut_off, f":{cut_off.pid} lost the database"), within=MOST_SECONDS_TO_NOTICE)
        if connection.vendor == "postgresql":
            eventually(says(cut_off, "listener lost the database"), within=MOST_SECONDS_TO_NOTICE)
        wait_until_drained()
        eventually(says(leader, "elected, term"), within=SECONDS_TO_START)
        history = list(FinishedJob.objects.order_by("pk").values())
        stop(other)

        way.mend()
        eventually(lambda: cut_off.output.count("was taken from this worker; what it did here is not recorded") == 2)
        eventually(says(cut_off, "it goes on as a new worker"))
        assert list(FinishedJob.objects.order_by("pk").values()) == history
        count("third")
        wait_until_drained()
        stop(cut_off, leader)

    result = audit([*labels, "third"])
    assert (result.finished, result.interrupted, result.runs) == (3, 2, 5)
