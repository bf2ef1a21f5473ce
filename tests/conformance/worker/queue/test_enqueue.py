"""Enqueueing: in the caller's transaction, in order, and whatever the arguments hold."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model
from django.utils.safestring import SafeString
from pytest_django import Settings

from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.conformance.worker.queue.jobs import ALIAS, another_session, claim, claim_one, enqueue, new, rolled_back
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.arguments import InvalidArguments, decode, encode
from worker.calls import InvalidCall
from worker.clock import database_now
from worker.dialects import dialect_of
from worker.models import FinishedState, Job, JobState
from worker.values import NewJob

pytestmark = pytest.mark.usefixtures("database")

MOST = dialect_of(connection).insertions.most_inserted


# In the caller's transaction


def test_a_rollback_leaves_no_job() -> None:
    with rolled_back():
        enqueue()
        leave_trace("one")
        queue.enqueue_many([new(n) for n in range(3)], ALIAS)

    assert Job.objects.count() == 0
    assert claim() == []


def test_a_failing_statement_takes_the_job_with_it() -> None:
    Effect.objects.create(pk=1, key="taken")

    def enqueue_and_fail() -> None:
        with transaction.atomic():
            leave_trace("one")
            Effect.objects.create(pk=1, key="again")

    with pytest.raises(IntegrityError):
        enqueue_and_fail()

    assert Job.objects.count() == 0


def test_a_savepoint_that_is_given_up_takes_only_its_own_jobs() -> None:
    with transaction.atomic():
        kept = enqueue()
        with rolled_back():
            enqueue()

    assert list(Job.objects.values_list("pk", flat=True)) == [kept]


def test_nobody_sees_a_job_before_the_caller_commits() -> None:
    with another_session() as other:
        with transaction.atomic():
            enqueue()
            assert Job.objects.using(other).count() == 0
        assert Job.objects.using(other).count() == 1


# What the database decided


class ReadsElsewhere:
    """A router that sends readers to a copy, which has not heard of the job."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return "a copy that lags behind"


def test_what_a_call_returns_is_read_from_where_it_was_written_whatever_routers_say(
    settings: Settings,
) -> None:
    settings.DATABASE_ROUTERS = [ReadsElsewhere()]

    job = leave_trace("one", schedule=60)

    assert isinstance(job, Job)
    assert job.run_at - job.enqueued_at == timedelta(seconds=60)
    job.refresh_from_db()
    assert job.state == "scheduled"
    job.refresh_from_db(from_queryset=Job.objects.using(ALIAS).only("state"))


# Many, in order


def test_thousands_get_their_ids_in_the_order_in_which_they_were_given() -> None:
    numbers = queue.enqueue_many([new(n, priority=n % 3) for n in range(2500)], ALIAS)

    assert numbers == sorted(set(numbers))
    jobs = Job.objects.in_bulk(numbers)
    assert [jobs[id].args for id in numbers] == [[n] for n in range(2500)]


@pytest.mark.parametrize("count", [0, 1, 2, MOST, MOST + 1])
def test_any_number_is_enqueued_by_one_statement_for_thousands(count: int, django_assert_num_queries: Any) -> None:
    savepoint = ["SAVEPOINT", "RELEASE SAVEPOINT"] if count > MOST else []
    with transaction.atomic(), django_assert_num_queries(-(-count // MOST) + len(savepoint)):
        numbers = queue.enqueue_many([new(n) for n in range(count)], ALIAS)

    assert numbers == sorted(numbers)
    assert [job.args for job in Job.objects.order_by("pk")] == [[n] for n in range(count)]


def test_many_are_enqueued_all_or_none() -> None:
    """Also outside any transaction, and where the last of many statements is the one that fails."""
    jobs = [*(new(n) for n in range(MOST)), new(max_attempts=-1)]

    with pytest.raises(DatabaseError):
        queue.enqueue_many(jobs, ALIAS)

    assert Job.objects.count() == 0


@pytest.mark.parametrize("arguments", ["a\nb", "", "\n", "'\\n\\"])
def test_any_text_is_enqueued_among_others(arguments: str) -> None:
    """`encode` writes one line; who calls the queue directly may not."""
    texts = ["one", arguments, "two"]

    numbers = queue.enqueue_many([new(arguments=text) for text in texts], ALIAS)

    assert [Job.objects.get(pk=id).arguments for id in numbers] == texts


DIFFERENT = [
    new(1),
    new(2, task="shop.b", queue="mail", priority=-3, max_attempts=1, verbose_name="Б", creator="shop.User:7"),
    new(3, state=JobState.SCHEDULED, delay=60.5),
    new(4, state=JobState.SCHEDULED, run_at=at("2900-01-01 10:00:00.000001"), retry_of=5),
    new(5, state=JobState.WAITING, lane="schedule:9", schedule_id=9, scheduled_for=at("10:00"), run_at=at("10:00")),
    new(6, start_by=at("11:00").astimezone(ZoneInfo("Asia/Tokyo")), retry_before=at("12:00"), task_options="{}"),
]


def test_jobs_that_differ_in_everything_are_enqueued_together() -> None:
    numbers = queue.enqueue_many(DIFFERENT, ALIAS)

    for job, row in zip(DIFFERENT, Job.objects.filter(pk__in=numbers).order_by("pk"), strict=True):
        assert_stored(job, row)


def test_each_of_them_is_enqueued_alone_and_tells_when_that_was() -> None:
    for job in DIFFERENT:
        number, enqueued_at = queue.enqueue(job, ALIAS)

        row = Job.objects.get(pk=number)
        assert_stored(job, row)
        assert row.enqueued_at == enqueued_at


def assert_stored(job: NewJob, row: Job) -> None:
    now = database_now(ALIAS)
    for name in job._fields:
        if name not in ("run_at", "delay"):
            assert getattr(row, name) == getattr(job, name)
    due = job.run_at or now + timedelta(seconds=job.delay)
    assert abs(row.run_at - due) < (timedelta(seconds=5) if job.run_at is None else timedelta(microseconds=1))
    assert abs(row.enqueued_at - now) < timedelta(seconds=5)


@pytest.mark.only_on("mysql")  # it alone lets a server count in steps
@pytest.mark.parametrize("is_mariadb", [True, False], ids=["by MariaDB's way", "by MySQL's way"])
@pytest.mark.parametrize("count", [1, 5])
def test_ids_are_right_where_a_cluster_counts_in_steps(
    count: int, is_mariadb: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction.get_connection(ALIAS), "mysql_is_mariadb", is_mariadb)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION auto_increment_increment = 3")
        try:
            numbers = queue.enqueue_many([new(n) for n in range(count)], ALIAS)
        finally:
            cursor.execute("SET SESSION auto_increment_increment = 1")

    assert [Job.objects.get(pk=id).args for id in numbers] == [[n] for n in range(count)]


# Whatever the arguments hold

HOSTILE: dict[str, Any] = {
    "NUL": "a\x00b",
    "half a pair of surrogates": "\ud83d\udd14"[:1],
    "emoji": "🔔👩\u200d👩\u200d👧",
    "a MiB": "é" * 2**20,
    "SQL": "'; DROP TABLE worker_job; -- %s %(x)s \\' {0}",
    "lines": "a\r\nb\u2028c\x85\x1a\x1ed",
    "numbers": [2**63, -(2**200), 1e-320, -0.0, 0.1 + 0.2, True, None],
    "depth": json.loads("[" * 100 + "]" * 100),
    "keys": {"": {"a b": 1, "\x00": 2, "\ud800": 3, "🔔": 4}},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_arguments_come_back_as_they_were_given(kind: str) -> None:
    value = HOSTILE[kind]
    job = leave_trace.enqueue(value)

    claimed = claim_one()

    assert decode(claimed.arguments) == ([value], {})
    assert Job.objects.get(pk=job.pk).args == [value]


def test_arguments_come_back_as_they_were_given_in_batches() -> None:
    numbers = leave_trace.enqueue_many([((value,), {}) for value in HOSTILE.values()])

    assert [job.args for job in Job.objects.filter(pk__in=numbers).order_by("pk")] == [[v] for v in HOSTILE.values()]


def test_arguments_of_djangos_own_classes_are_stored_as_plain_ones_alone_and_in_batches() -> None:
    calls: list[tuple[Any, ...]] = [
        (SafeString("<b>"),),
        (JobState.READY,),
        ([{SafeString("a"): FinishedState.FAILED}],),
    ]

    numbers = [leave_trace.enqueue(*args).pk for args in calls]
    numbers += leave_trace.enqueue_many([(args, {}) for args in calls])

    stored = [Job.objects.get(pk=number).arguments for number in numbers]
    assert stored == 2 * ['[["<b>"],{}]', '[["ready"],{}]', '[[[{"a":"failed"}]],{}]']


def test_many_jobs_with_a_mebibyte_each_are_enqueued() -> None:
    """A statement with all of them would be refused."""
    heavy = encode(["x" * 2**20], {})

    numbers = queue.enqueue_many([new(arguments=heavy) for _ in range(17)], ALIAS)

    assert Job.objects.filter(pk__in=numbers, arguments=heavy).count() == 17


def test_what_json_would_change_is_refused_before_anything_is_written() -> None:
    with pytest.raises(InvalidArguments, match=r"argument 1\['user'\]\[0\]"):
        leave_trace.enqueue_many([(({"user": [Effect(key="x")]},), {})])
    with pytest.raises(InvalidArguments, match='argument "trace"'):
        leave_trace.enqueue_many([(("fine",), {}), ((), {"trace": b"bytes"})])

    assert Job.objects.count() == 0


@pytest.mark.parametrize("name", ["q" * 101, "", "  ", "a\x00b", "\ud800", "a\nb", 7])
def test_a_queue_that_could_not_be_named_is_refused(name: Any) -> None:
    with pytest.raises(InvalidCall, match="queue"):
        leave_trace.using(queue=name).enqueue("one")

    assert Job.objects.count() == 0


# What the caller gets


def test_the_returned_job_is_known_without_reading_it(django_assert_num_queries: Any) -> None:
    job = leave_trace.using(queue="mail", priority=7, verbose_name="Trace").enqueue("one")

    with django_assert_num_queries(0):
        assert isinstance(job, Job)
        assert (job.task, job.args, job.kwargs) == ("tests.app.tasks.leave_trace", ["one"], {})
        assert (job.queue, job.priority, job.state, job.verbose_name) == ("mail", 7, "ready", "Trace")
        assert job.pk is not None


def test_what_the_database_decided_is_read_when_it_is_asked_for() -> None:
    job = leave_trace.using(schedule=60).enqueue("one")

    row = Job.objects.get(pk=job.pk)
    for field in Job._meta.concrete_fields:
        assert getattr(job, field.attname) == getattr(row, field.attname)
    assert job == row
