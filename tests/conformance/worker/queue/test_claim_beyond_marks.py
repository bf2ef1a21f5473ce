"""A claim that begins beyond marks, and the worker that uses them, where the database keeps places of what is gone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.app.tasks import nothing
from tests.conformance.worker.dialects.statements import explained
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import ALIAS, SOMEBODY, another_session, enqueue_in, new, somebody
from tests.processes import eventually
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.dialects import dialect_of
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Succeeded
from worker.process import marks
from worker.sessions.connection import private_connection
from worker.values import Ended

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on("postgresql", "mysql")]

MANY = 6000
NOW = at("10:00")
PRIORITIES = st.integers(-3, 3)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(PRIORITIES, st.sampled_from(["mail", "web"])), max_size=12),
    st.dictionaries(PRIORITIES, st.integers(0, 12), max_size=4),
    st.integers(1, 12),
    st.sampled_from([[], ["mail"], ["mail", "web"]]),
)
def test_a_claim_takes_the_most_urgent_beyond_the_marks(
    jobs: list[tuple[int, str]], marked: dict[int, int], limit: int, queues: list[str]
) -> None:
    Job.objects.all().delete()
    ids = queue.enqueue_many([new(n, priority=priority, queue=name) for n, (priority, name) in enumerate(jobs)], ALIAS)
    beyond = {priority: ids[0] + place if ids else place for priority, place in marked.items()}

    claimed = queue.claim(ALIAS, somebody(), limit, queues, beyond=beyond)

    one_for_all = max(beyond.values(), default=0) if dialect_of(connection).claims.has_one_mark else None
    within = [
        (-priority, id)
        for id, (priority, name) in zip(ids, jobs, strict=True)
        if id >= (beyond.get(priority, 0) if one_for_all is None else one_for_all) and (not queues or name in queues)
    ]
    assert [(-job.priority, job.id) for job in claimed] == sorted(within)[:limit]


def test_a_job_that_becomes_ready_behind_the_marks_is_run(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MARGIN", 0)
    crew.start(longest_sleep=0.5)
    late = enqueue_in(JobState.SCHEDULED, 0, task=nothing.task.name)
    nothing.enqueue_many([((n,), {}) for n in range(50)])
    eventually(lambda: FinishedJob.objects.count() == 50, within=30)

    Job.objects.filter(pk=late).update(state=JobState.READY)  # and nobody is told

    eventually(lambda: FinishedJob.objects.filter(pk=late).exists(), within=30)


def test_a_worker_that_is_to_end_when_idle_leaves_nothing_behind_the_marks(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "MARGIN", -1_000_000)  # a mark far ahead, that hides what is ready
    nothing.enqueue_many([((n,), {}) for n in range(40)])

    crew.work_until_idle()

    assert FinishedJob.objects.count() == 40


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("queues", [[], ["mail"], ["mail", "other"]])
def test_a_claim_reads_little_of_what_is_gone_also_at_a_priority_that_is_seldom_used(queues: list[str]) -> None:
    """Whose mark is an old one."""
    with private_connection(ALIAS, "report") as report, transaction.atomic(using=report):
        with connections[report].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT 1")
        gone = queue.enqueue_many([new(n, queue="mail", priority=0 if n else 3) for n in range(MANY)], ALIAS)
        assert len(queue.claim(ALIAS, somebody(), MANY)) == MANY
        queue.enqueue_many([new(n, queue="mail", priority=n % 4) for n in range(8)], ALIAS)

        marked = {3: gone[0], 0: gone[-1]}
        beyond_marks = search(lambda using: queue.claim(using, somebody(), 8, queues, beyond=marked))
        everywhere = search(lambda using: queue.claim(using, somebody(), 8, queues))

    assert pages(beyond_marks) < pages(everywhere) / 3


@pytest.mark.only_on("mysql")
@pytest.mark.parametrize("queues", [[], ["mail"], ["mail", "other"]])
def test_a_claim_reads_no_more_however_much_is_gone_while_somebody_may_still_see_it(queues: list[str]) -> None:
    """One that looks everywhere passes by it, but locks no more."""
    if not connection.mysql_is_mariadb:  # type: ignore[attr-defined]
        pytest.skip("MySQL does not tell how many pages a statement reads.")
    somebody()
    read: list[list[int]] = []
    claim = partial(queue.claim, worker_id=SOMEBODY, limit=8, queues=queues)
    with private_connection(ALIAS, "report") as report, connections[report].cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        (first,) = queue.enqueue_many([new(queue="none")], ALIAS)
        for _ in range(3):
            come_and_go()
            ids = queue.enqueue_many([new(n, queue="mail", priority=n % 4) for n in range(8)], ALIAS)
            read.append([*pages_of(partial(claim, beyond={0: ids[0] - 100})), pages_of(claim)[1]])
            queue.cancel(ids, "it has been read", ALIAS)
        from_the_first, *_ = pages_of(partial(claim, beyond={0: first}))
        cursor.execute("ROLLBACK")

    looks, locks, locks_everywhere = zip(*read, strict=True)
    assert from_the_first > looks[0] + 50, "the test sees what is gone"
    assert max(looks) <= looks[0] + 5
    assert max(*locks, *locks_everywhere) <= locks[0] + 5


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("marked", [{}, {3: 1}])
@pytest.mark.parametrize("queues", [[], ["mail"], ["mail", "other"]])
def test_a_claim_finds_a_few_urgent_jobs_beside_many_others(queues: list[str], marked: dict[int, int]) -> None:
    """Though the server knows how many, and might take the primary key for the shorter way."""
    queue.enqueue_many([new(n, queue="mail") for n in range(MANY)], ALIAS)
    queue.enqueue_many([new(n, queue="mail", priority=3) for n in range(4)], ALIAS)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Job._meta.db_table}")

    searched = search(lambda using: queue.claim(using, somebody(), 4, queues, beyond=marked))

    looked_up = re.compile(r"\(id = ")  # row by row, which is no walk
    walked = {
        part["Index Name"]
        for part in parts_of(searched)
        if "Index Name" in part and not looked_up.match(part.get("Index Cond", ""))
    }
    assert walked <= {"worker_job_ready", "worker_job_ready_queue"}


def come_and_go() -> None:
    """Many jobs of several priorities are done."""
    queue.enqueue_many([new(n, queue="mail", priority=n % 4) for n in range(MANY)], ALIAS)
    while jobs := queue.claim(ALIAS, SOMEBODY, 1000):
        queue.ack(ALIAS, [Ended(job, Succeeded(), NOW, NOW) for job in jobs])


def pages_of(act: Callable[[str], object]) -> list[int]:
    """How many pages of the jobs each statement reads by which `act` claims. What it did is taken back."""
    read: list[int] = []

    def analyze(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            execute(f"ANALYZE FORMAT=JSON {sql}", params, many, context)
            (answer,) = context["cursor"].fetchone()
            read.append(sum(map(int, re.findall(r'"pages_accessed": (\d+)', answer))))
        return execute(sql, params, many, context)

    with another_session() as using, transaction.atomic(using=using):
        with connections[using].execute_wrapper(analyze):
            act(using)
        transaction.set_rollback(True, using=using)
    return read


def search(act: Callable[[str], object]) -> dict[str, Any]:
    """How the jobs are found that `act` claims, in a session as workers have one. What it did is taken back."""
    plans: list[Any] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("PREPARE"):
            ((answer,),) = explained(context["connection"], "(ANALYZE, BUFFERS, FORMAT JSON)", sql, params)
            plans.extend(json.loads(answer) if isinstance(answer, str) else answer)
        return execute(sql, params, many, context)

    with another_session() as using, transaction.atomic(using=using):
        with connections[using].execute_wrapper(explain):
            act(using)
        transaction.set_rollback(True, using=using)
    return next(part for part in parts_of(plans[0]["Plan"]) if part.get("Subplan Name") == "CTE ready")


def pages(part: dict[str, Any]) -> int:
    return int(part["Shared Hit Blocks"] + part["Shared Read Blocks"])


def parts_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from parts_of(part)
