"""The verbs on all jobs that match: which are meant, in what portions, and what a second try does."""

from __future__ import annotations

from datetime import datetime
from threading import Barrier, Thread
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from tests.app.tasks import nothing
from tests.conformance.worker.queue.jobs import ALIAS, ack, claim, enqueue, enqueue_in, error, new, rows, state_of
from tests.schedules.recurrence.moments import at
from worker import api, queue
from worker.handles import filters, verbs
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Cancelled, Error, Failed, Outcome, Succeeded

pytestmark = pytest.mark.usefixtures("database")


def failed(count: int = 1, **given: Any) -> list[int]:
    """So many jobs that have failed, ascending."""
    ids = queue.enqueue_many([new(**given) for _ in range(count)], ALIAS)
    for job in claim():
        assert ack(job, Failed(error()))
    return ids


def retried() -> list[int]:
    """The finished jobs that were enqueued again, once for each time."""
    return sorted(job.retry_of for job in Job.objects.all() if job.retry_of is not None)


def is_retried(id: int) -> bool:
    return FinishedJob.objects.get(pk=id).retried_at is not None


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (filters, verbs):
        monkeypatch.setattr(module, "PORTION", 3)


# Cancel


def test_all_jobs_that_match_are_cancelled_and_no_others() -> None:
    mail = [enqueue(queue="mail"), enqueue_in(JobState.SCHEDULED, queue="mail")]
    other = enqueue(queue="other")

    assert api.cancel_all(queue="mail", reason="not wanted") == api.Counts(done=2, skipped=0)

    assert [state_of(id) for id in (*mail, other)] == ["cancelled", "cancelled", "ready"]
    assert set(FinishedJob.objects.values_list("reason", flat=True)) == {"not wanted"}


def test_what_somebody_has_started_is_asked_to_stop_and_counted() -> None:
    started = enqueue()
    claim()
    waits = enqueue()

    assert api.cancel_all(task="a.task", reason="not wanted") == api.Counts(done=1, skipped=0, asked=1)

    assert (state_of(started), state_of(waits)) == ("running", "cancelled")
    assert Job.objects.get(pk=started).cancel_reason == "not wanted"


def test_cancelling_again_finds_nothing_left_to_do() -> None:
    enqueue()

    assert [api.cancel_all(task="a.task") for _ in range(2)] == [(1, 0, 0), (0, 0, 0)]


def test_all_are_meant_only_where_that_is_said() -> None:
    enqueue()

    for verb in (api.cancel_all, api.retry_all):
        with pytest.raises(api.InvalidFilter, match="nothing says which jobs are meant"):
            verb()
    assert api.cancel_all(everything=True) == (1, 0, 0)


# Retry


def test_all_that_failed_and_match_are_retried_as_new_jobs() -> None:
    mail, other = failed(2, queue="mail"), failed(queue="other")

    assert api.retry_all(queue="mail") == (2, 0, 0)

    assert retried() == mail
    assert not any(map(is_retried, other))


def test_what_did_not_fail_is_retried_only_where_its_state_or_id_is_named() -> None:
    (succeeded, cancelled, by_id) = (enqueue() for _ in range(3))
    outcomes: list[Outcome] = [Succeeded(), Cancelled("no"), Succeeded()]
    for job, outcome in zip(claim(), outcomes, strict=True):
        ack(job, outcome)

    assert api.retry_all(everything=True) == (0, 0, 0)
    assert api.retry_all(state=["succeeded", "cancelled"], ids=[succeeded, cancelled]) == (2, 0, 0)
    assert api.retry_all(ids=[by_id]) == (1, 0, 0)
    assert retried() == [succeeded, cancelled, by_id]


def test_no_job_is_retried_twice_however_often_it_is_said() -> None:
    ids = failed(4)
    api.get(ids[0]).retry()

    assert [api.retry_all(everything=True) for _ in range(2)] == [(3, 1, 0), (0, 4, 0)]

    assert retried() == ids


def test_one_job_may_be_retried_again_by_its_handle() -> None:
    (id,) = failed()

    assert api.get(id).retry().id != api.get(id).retry().id

    assert retried() == [id, id]


def test_two_that_retry_side_by_side_retry_each_job_once(small_portions: None) -> None:
    ids = failed(40)
    begin, counts = Barrier(4), list[api.Counts]()

    def retry() -> None:
        begin.wait()
        counts.append(api.retry_all(everything=True))
        connections.close_all()

    threads = [Thread(target=retry) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert retried() == ids
    assert sum(each.done for each in counts) == 40


def test_a_retry_that_is_under_way_in_another_transaction_is_waited_for() -> None:
    (id,) = failed()
    seen = list[api.Counts]()

    def retry() -> None:
        seen.append(api.retry_all(everything=True))
        connections.close_all()

    with transaction.atomic(ALIAS):
        assert api.retry_all(everything=True) == (1, 0, 0)
        other = Thread(target=retry)
        other.start()
        other.join(timeout=0.2)
        assert not seen
    other.join(timeout=60)

    assert (seen, retried()) == ([(0, 1, 0)], [id])


def test_what_was_done_before_a_crash_stays_done_and_a_second_try_does_the_rest(small_portions: None) -> None:
    ids = failed(10)

    def crash(counts: api.Counts) -> None:
        if counts.done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.retry_all(everything=True, progress=crash)
    assert retried() == ids[:6]

    assert api.retry_all(everything=True) == (4, 6, 0)
    assert retried() == ids


def test_a_portion_that_fails_leaves_none_of_its_jobs_marked(
    small_portions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = failed(3)

    def fall(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(queue.by_hand, "enqueue_many", fall)
        with pytest.raises(ConnectionResetError):
            api.retry_all(everything=True)

    assert (api.retry_all(everything=True), retried()) == ((3, 0, 0), ids)


def test_jobs_that_fail_while_all_are_retried_are_not_retried_for_ever(small_portions: None) -> None:
    failed(7)

    def fail_at_once(_: api.Counts) -> None:
        for job in claim():
            ack(job, Failed(error()))

    assert api.retry_all(everything=True, progress=fail_at_once) == (7, 0, 0)
    assert FinishedJob.objects.count() == 14


# Which are meant


MATCHING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"task": "shop.tasks.report"}, {"task": "shop.tasks.report"}),
    ({"task": "shop.tasks.report"}, {"task": ["another.task", "shop.tasks.report"]}),
    ({"queue": "mail"}, {"queue": "mail"}),
    ({"queue": "mail"}, {"queue": {"mail", "slow"}}),
    ({"schedule_id": 7}, {"schedule_id": 7}),
    ({"creator": "shop.Order:7"}, {"creator": "shop.Order:7"}),
    ({"verbose_name": "50% of_it"}, {"verbose_name": "50% of_it"}),
]
"""What a job is, and a filter that it matches."""


UNLIKE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"task": "shop.tasks.Report"}, {"task": "shop.tasks.report"}),
    ({"task": "shop.tasks.report2"}, {"task": "shop.tasks.report"}),
    ({"queue": "Mail"}, {"queue": "mail"}),
    ({"queue": "mail"}, {"queue": []}),
    ({"creator": "shop.Order:77"}, {"creator": "shop.Order:7"}),
    ({"verbose_name": "50x ofxit"}, {"verbose_name": "50% of_it"}),
    ({"verbose_name": "naïve"}, {"verbose_name": "naive"}),
    ({}, {"schedule_id": 7}),
    ({}, {"ids": []}),
    ({}, {"state": []}),
    ({}, {"creator": "x"}),
]
"""What a job is, and a filter that is near to it and that it does not match."""


@pytest.mark.parametrize(("job", "given"), MATCHING, ids=str)
def test_a_filter_finds_what_is_so(job: dict[str, Any], given: dict[str, Any]) -> None:
    (id,) = failed(**job)
    other = failed(task="yet.another")
    waits = enqueue(**job)

    assert (api.cancel_all(**given), api.retry_all(**given)) == ((1, 0, 0), (1, 0, 0))

    assert (state_of(waits), is_retried(id)) == ("cancelled", True)
    assert not any(map(is_retried, other))


@pytest.mark.parametrize(("job", "given"), UNLIKE, ids=str)
def test_a_filter_leaves_alone_what_only_looks_like_it(job: dict[str, Any], given: dict[str, Any]) -> None:
    failed(**job)
    enqueue(**job)
    before = rows()

    assert api.cancel_all(**given) == api.retry_all(**given) == (0, 0, 0)

    assert rows() == before


def test_all_filters_together_mean_jobs_that_fit_each() -> None:
    both = enqueue(queue="mail", verbose_name="a")
    enqueue(queue="mail", verbose_name="b")
    enqueue(queue="other", verbose_name="a")

    assert api.cancel_all(queue="mail", verbose_name="a") == (1, 0, 0)

    assert state_of(both) == "cancelled"


def test_a_time_includes_its_beginning_and_not_its_end() -> None:
    ids = [enqueue() for _ in range(4)]
    hours = [at(f"0{hour}:00") for hour in range(4)]
    for id, hour in zip(ids, hours, strict=True):
        Job.objects.filter(pk=id).update(enqueued_at=hour)

    assert api.cancel_all(enqueued_after=hours[1], enqueued_before=hours[3]) == (2, 0, 0)

    assert [state_of(each) for each in ids] == ["ready", "cancelled", "cancelled", "ready"]


@pytest.mark.parametrize("given", [LookupError, "LookupError"], ids=str)
def test_failed_jobs_are_found_by_the_class_of_their_last_error(given: Any) -> None:
    lost, other = enqueue(), enqueue()
    for job, kind in zip(claim(), ("LookupError", "LookupErrors"), strict=True):
        ack(job, Failed(Error(1, kind, "nothing there", "", job.enqueued_at)))

    unlike = enqueue()
    api.cancel_all(ids=[unlike], reason="LookupError: said by hand")

    assert api.retry_all(error=given, state=["failed", "cancelled"]) == (1, 0, 0)

    assert retried() == [lost]
    assert not any(map(is_retried, (other, unlike)))


def test_a_task_may_be_given_as_what_its_decorator_made() -> None:
    id = nothing(1).pk
    other = enqueue()

    assert api.cancel_all(task=nothing) == (1, 0, 0)

    assert (state_of(id), state_of(other)) == ("cancelled", "ready")


def test_an_id_that_is_given_twice_is_meant_once(small_portions: None) -> None:
    ids = failed(4)

    assert api.retry_all(ids=[*ids, ids[2]]) == (4, 0, 0)


def test_many_ids_may_be_given_in_any_order(small_portions: None) -> None:
    ids = [enqueue() for _ in range(8)]
    chosen = [*reversed(ids[:7]), ids[0], 10**15]

    assert api.cancel_all(ids=chosen) == (7, 0, 0)

    assert state_of(ids[7]) == "ready"


# What is told


def test_progress_has_the_counts_so_far_after_each_portion(small_portions: None) -> None:
    failed(7)
    told = list[api.Counts]()

    api.retry_all(everything=True, progress=told.append)

    assert told == [(3, 0, 0), (6, 0, 0), (7, 0, 0)]


def test_a_dry_run_counts_the_same_and_changes_nothing(small_portions: None) -> None:
    failed_ids = failed(5)
    api.get(failed_ids[0]).retry()
    claim()
    for _ in range(4):
        enqueue()
    before = rows()

    assert api.retry_all(everything=True, dry_run=True) == (4, 1, 0)
    assert api.cancel_all(task="a.task", dry_run=True) == (4, 0, 1)

    assert rows() == before
    assert (api.cancel_all(task="a.task"), api.retry_all(everything=True)) == ((4, 0, 1), (4, 1, 0))


def test_async_code_has_the_same() -> None:
    failed(2, queue="mail")
    enqueue(queue="other")

    async def work() -> list[api.Counts]:
        told = list[api.Counts]()
        again = await api.aretry_all(queue="mail", dry_run=True), await api.aretry_all(queue="mail")
        return [*again, await api.acancel_all(everything=True, progress=told.append), *told]

    assert async_to_sync(work)() == [(2, 0, 0), (2, 0, 0), (3, 0, 0), (3, 0, 0)]


# What it costs


@pytest.mark.parametrize("portions", [1, 3])
def test_statements_grow_with_the_portions_and_not_with_the_jobs(portions: int) -> None:
    many = portions * filters.PORTION
    queue.enqueue_many([new()] * many, ALIAS)

    with CaptureQueriesContext(connection) as cancel:
        assert api.cancel_all(everything=True) == (many, 0, 0)
    with CaptureQueriesContext(connection) as retry:
        assert api.retry_all(state="cancelled") == (many, 0, 0)

    assert len(cancel) <= 5 + 10 * portions
    assert len(retry) <= 5 + 10 * portions


# What is refused


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"queue": None}, "cancel_all: queue is None, but must be a text"),
        ({"creator": None}, "creator is None"),
        ({"task": 7}, "task is 7"),
        ({"state": "redy"}, 'state: "redy" is none of its jobs. Did you mean "ready"?'),
        ({"state": "failed"}, "Known: scheduled, waiting, held, ready, running."),
        ({"ids": 7}, "ids is 7"),
        ({"ids": "7"}, "ids is '7'"),
        ({"ids": [7, "8"]}, "one of ids is '8'"),
        ({"ids": [0]}, "one of ids is 0"),
        ({"schedule_id": True}, "schedule_id is True"),
        ({"enqueued_after": datetime(2026, 1, 1)}, "an aware datetime"),
        ({"verbose_name": "a\x00"}, "verbose_name is"),
        ({"everything": 1}, "everything is 1"),
        ({"everything": True, "queue": "mail"}, "goes with no filter, but queue was given"),
    ],
    ids=str,
)
def test_what_could_not_work_is_refused_and_nothing_is_done(given: dict[str, Any], said: str) -> None:
    id = enqueue()

    with pytest.raises(api.InvalidFilter) as refused:
        api.cancel_all(**given)

    assert said in str(refused.value)
    assert str(refused.value).startswith("cancel_all: ")
    assert state_of(id) == "ready"


def test_a_filter_that_does_not_exist_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(TypeError, match=r'cancel_all: "qeue" is not an option. Did you mean "queue"\?'):
        api.cancel_all(qeue="mail")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match='cancel_all: "error" is not an option'):
        api.cancel_all(error="LookupError")


def test_an_error_that_is_none_is_refused() -> None:
    for wrong in (7, "", int, "a\x00"):
        with pytest.raises(api.InvalidFilter, match="must be a class of exceptions"):
            api.retry_all(error=wrong)  # type: ignore[arg-type]


def test_a_reason_that_is_no_short_text_is_refused() -> None:
    with pytest.raises(ValueError, match="reason"):
        api.cancel_all(everything=True, reason="a\x00b")
