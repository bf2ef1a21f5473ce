"""The statements that are asked all the time walk an index, however many rows there are that they do not want.

What is explained are the statements themselves, caught while the code sends them. Where a statement of MariaDB's
scans, it also locks each row that it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from schedules.leader.glance import glance
from schedules.models import Schedule
from schedules.scheduler import tick
from tests.conformance.worker.dialects.statements import explained
from tests.conformance.worker.queue.jobs import ALIAS, SOMEBODY, another_session, new, somebody
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.chores import Chores
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Succeeded
from worker.values import ClaimedJob, Ended

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on("postgresql", "mysql", "sqlite")]

NOW = at("10:00")
MANY = 3000
"""Rows of each kind that a statement has to pass by."""

LANES = [f"schedule:{n}" for n in range(1000)]
KEYS = {"PRIMARY", "worker_job_pkey", "worker_workerprocess_pkey"}
MARKS = {0: 2 * MANY, -5: 10}
ASKED_ALL_THE_TIME: dict[str, tuple[str, Callable[[str], object]]] = {
    "claim from any queue": ("worker_job_ready", lambda using: queue.claim(using, SOMEBODY, 10)),
    "claim from one queue": ("worker_job_ready_queue", lambda using: queue.claim(using, SOMEBODY, 10, ["mail"])),
    "claim from several": ("worker_job_ready_queue", lambda using: queue.claim(using, SOMEBODY, 10, ["mail", "a"])),
    "ack": ("worker_job_pkey|PRIMARY", lambda using: ack_all(using, queue.claim(using, SOMEBODY, 500))),
    "claim beyond marks": ("worker_job_ready", lambda using: queue.claim(using, SOMEBODY, 10, beyond=MARKS)),
    "claim from one queue beyond marks": (
        "worker_job_ready_queue",
        lambda using: queue.claim(using, SOMEBODY, 10, ["mail"], beyond=MARKS),
    ),
    "promote": ("worker_job_scheduled", lambda using: queue.promote(using, NOW)),
    "let in": ("worker_job_waiting", lambda using: queue.promote(using, NOW)),
    "look who is before": ("worker_job_lane", lambda using: queue.promote(using, NOW)),
    "let in to lanes that are named": ("worker_job_lane", lambda using: queue.let_in(using, LANES[-200:], NOW)),
    "look who is unfinished": ("worker_job_lane", lambda using: queue.unfinished_of(LANES[:10], using)),
    "look who is unfinished, for a whole tick": ("worker_job_lane", lambda using: queue.unfinished_of(LANES, using)),
    "cancel": ("worker_job_lane", lambda using: queue.cancel_lane(LANES[0], "why", using)),
    "rescue": ("worker_job_running", lambda using: queue.rescue(using, 1000)),
    "prune": ("worker_finished_at", lambda using: list(queue.prune(using, NOW - timedelta(seconds=MANY - 10)))),
    "prune all but failed jobs": ("worker_finished_at", lambda using: list(queue.Retention().prune(using, NOW))),
    "tick": ("schedules_schedule_next_run_at_.*", lambda using: tick(using, NOW, Chores())),
}
"""What is done, and the index that leads to the rows that it wants."""
CLAIMS = {name: asked for name, asked in ASKED_ALL_THE_TIME.items() if name.startswith("claim")}


def test_what_is_asked_all_the_time_walks_its_index_in_crowded_tables() -> None:
    crowd()

    with another_session() as using:
        astray = {
            name: found for name, (index, act) in ASKED_ALL_THE_TIME.items() if (found := strays(act, using, index))
        }

    assert not astray


def test_a_claim_walks_no_other_index_than_the_one_of_its_order() -> None:
    crowd()

    with another_session() as using:
        walked = {name: walks(act, using) - {index, *KEYS} for name, (index, act) in CLAIMS.items()}

    assert not any(walked.values()), walked


@pytest.mark.only_on("postgresql", "mysql")
@pytest.mark.parametrize("queues", [["void"], ["void", "full"]])
def test_a_claim_from_an_empty_queue_does_not_walk_a_full_one(queues: list[str]) -> None:
    """Though the statistics know of no other."""
    queue.enqueue_many([new(n, queue="full") for n in range(MANY)], ALIAS)
    somebody()
    _gather_statistics()

    with another_session() as using:
        walked = walks(lambda using: queue.claim(using, SOMEBODY, 10, queues), using)

    assert walked - KEYS == {"worker_job_ready_queue"}


@pytest.mark.only_on("postgresql")
def test_a_plan_that_a_claim_keeps_from_an_empty_queue_is_one_for_a_full_one_too() -> None:
    """Nobody has gathered statistics since, which would have it made anew."""
    somebody()
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {Job._meta.db_table}")
    with another_session() as using:
        for _, act in CLAIMS.values():
            act(using)
        queue.enqueue_many([new(n, queue=name) for n in range(MANY) for name in ("mail", "other")], ALIAS)
        queue.claim(ALIAS, SOMEBODY, MANY)

        astray = {name: found for name, (index, act) in CLAIMS.items() if (found := strays(act, using, index))}
        plans = {name: [plan for _, plan in plans_of(act, using)] for name, (_, act) in CLAIMS.items()}

    assert not astray
    assert {name for name, plan in plans.items() if "Sort" in _values(plan, "Node Type")} == {"claim from several"}
    assert {plan["Plan"]["Plan Rows"] for ((plan,),) in plans.values()} == {1}, "A plan is a new one."


@pytest.mark.only_on("mysql")
def test_a_batch_is_looked_up_by_its_key_though_it_is_most_of_the_table() -> None:
    """There a scan would wait for the rows that other workers have locked, and they for its own: a deadlock."""
    queue.enqueue_many([new(n) for n in range(600)], ALIAS)
    somebody()
    _gather_statistics()

    with another_session() as using:
        assert not strays(lambda using: ack_all(using, queue.claim(using, SOMEBODY, 500)), using, "PRIMARY")


def test_a_glance_reads_no_table() -> None:
    crowd()

    with another_session() as using:
        assert not strays(glance, using, ".*")


def crowd() -> None:
    """Tables in which what is wanted is rare."""
    tomorrow = [new(n, state=JobState.SCHEDULED, run_at=NOW + timedelta(days=1)) for n in range(MANY)]
    others = [new(n, queue="other") for n in range(MANY)]
    due = [new(n, state=JobState.SCHEDULED, run_at=NOW) for n in range(20)]
    mail = [new(n, queue="mail", priority=-5) for n in range(30)]
    in_lanes = [new(lane=lane, state=JobState.SCHEDULED, run_at=NOW + timedelta(days=1)) for lane in LANES]
    in_line = [new(lane=lane, state=JobState.WAITING, run_at=NOW) for lane in LANES[-30:]]
    queue.enqueue_many([*tomorrow, *others, *due, *mail, *in_lanes, *in_line], ALIAS)
    queue.claim(ALIAS, somebody(), 10)
    _finish_many()
    _schedule_many()
    _gather_statistics()


def ack_all(using: str, jobs: Iterable[ClaimedJob]) -> None:
    queue.ack(using, [Ended(job, Succeeded(), NOW, NOW) for job in jobs])


# How it is seen


def strays(act: Callable[[str], object], using: str, index: str) -> list[str]:
    """What is wrong with how the statements of `act` find their rows. What it did is taken back."""
    plans = plans_of(act, using)
    walked = _indexes(plans)
    wrong = [f"{found} by {sql[:1000]}" for sql, plan in plans for found in _scans(plan)]
    return wrong if any(re.fullmatch(index, key) for key in walked) else [*wrong, f"{index} is not among {walked}"]


def walks(act: Callable[[str], object], using: str) -> set[str]:
    """The indexes that the statements of `act` walk."""
    return _indexes(plans_of(act, using))


def plans_of(act: Callable[[str], object], using: str) -> list[tuple[str, Any]]:
    with transaction.atomic(using=using), _explaining(using) as plans:
        act(using)
        transaction.set_rollback(True, using=using)
    return plans


def _indexes(plans: Iterable[tuple[str, Any]]) -> set[str]:
    return {key for _, plan in plans for key in _values(plan, "Index Name", "key")}


@contextmanager
def _explaining(using: str) -> Iterator[list[tuple[str, Any]]]:
    plans: list[tuple[str, Any]] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        is_of_ours = "EXECUTE carillon_" in sql or any(re.search(rf"\b{model._meta.db_table}\b", sql) for model in _BIG)
        if not many and is_of_ours and not sql.startswith(("INSERT", "PREPARE")):
            plans.append((sql, _plan_of(sql, params, context["connection"])))
        return execute(sql, params, many, context)

    with connections[using].execute_wrapper(explain):
        yield plans


def _plan_of(sql: str, params: Any, connection: BaseDatabaseWrapper) -> Any:
    rows = explained(connection, _AS_JSON[connection.vendor], sql, params)
    if connection.vendor == "sqlite":
        return [_step(detail) for *_, detail in rows]
    ((plan,),) = rows
    return json.loads(plan) if isinstance(plan, str) else plan


def _step(detail: str) -> dict[str, str]:
    """A step of SQLite's plan, which it tells in English."""
    index = re.search(r"USING (?:COVERING )?INDEX (\w+)|USING INTEGER PRIMARY KEY", detail)
    return {"detail": detail, **({"key": index[1] or "PRIMARY"} if index else {})}


def _scans(plan: Any) -> Iterator[str]:
    """Places where a plan reads a whole table of ours. `ended` and `given` are lists of a batch, `in_line` of lanes."""
    for part in _parts(plan):
        if part.get("Node Type") == "Seq Scan" and part["Relation Name"] in _BIG_TABLES:
            yield f"Seq Scan of {part['Relation Name']}"
        if re.fullmatch(_KEYS, part.get("Index Name", "")) and "Index Cond" not in part:
            yield f"All along {part['Index Name']}"
        if part.get("access_type") in ("ALL", "index") and not part["table_name"].startswith(("<", "ended", "given")):
            yield f"{part['access_type']} of {part['table_name']}"
        if re.match("SCAN (?!CONSTANT ROW|ended|in_line)", part.get("detail", "")) and "key" not in part:
            yield part["detail"]


def _values(plan: Any, *names: str) -> set[str]:
    return {part[name] for part in _parts(plan) for name in names if name in part}


def _parts(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
    for each in plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else ():
        yield from _parts(each)


def _finish_many() -> None:
    FinishedJob.objects.bulk_create(
        FinishedJob(
            id=-n - 1,
            task="a.task",
            arguments="[[],{}]",
            queue="default",
            max_attempts=5,
            state="succeeded",
            enqueued_at=NOW,
            run_at=NOW,
            finished_at=NOW - timedelta(seconds=n),
        )
        for n in range(MANY)
    )


def _schedule_many() -> None:
    Schedule.objects.bulk_create(
        Schedule(
            identity=str(n),
            name=str(n),
            source="api",
            task="a.task",
            max_attempts=5,
            repeat="86400",
            anchor=NOW,
            settled_until=NOW - timedelta(days=1),
            next_run_at=NOW if n < 5 else NOW + timedelta(seconds=n),
            created_at=NOW,
            changed_at=NOW,
        )
        for n in range(MANY)
    )


def _gather_statistics() -> None:
    with connection.cursor() as cursor:
        for table in _BIG_TABLES:
            cursor.execute(f"{'ANALYZE TABLE' if connection.vendor == 'mysql' else 'ANALYZE'} {table}")


_BIG = (Job, FinishedJob, Schedule)
_BIG_TABLES = tuple(model._meta.db_table for model in _BIG)
_KEYS = "PRIMARY|.*_pkey"
_AS_JSON = {"postgresql": "(FORMAT JSON)", "mysql": "FORMAT=JSON", "sqlite": "QUERY PLAN"}
