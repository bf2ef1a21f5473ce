"""The queue's rows are its own business: nobody who listens to the signals of all models hears of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS as ALIAS
from django.db import transaction
from django.db.models import signals
from django.test import Client

from schedules import api
from schedules.leader import Leader
from schedules.models import Leadership, Occurrence, Schedule
from schedules.occurrences import ledger
from tests.app.models import Effect
from tests.app.tasks import cancel, fail_at_first, leave_trace
from worker import erasure, queue, roster
from worker.clock import database_now
from worker.erasure import erase
from worker.models import FinishedJob, Job, WorkerProcess
from worker.process.worker import Worker

OURS = ("schedules", "worker")
SIGNALS = (signals.pre_save, signals.post_save, signals.pre_delete, signals.post_delete, signals.m2m_changed)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What somebody hears who listens without a sender; for rows of ours, he raises."""
    heard: list[str] = []

    def hear(sender: type, **_: Any) -> None:
        heard.append(sender.__name__)
        if sender.__module__.partition(".")[0] in OURS:
            raise AssertionError(f"A signal was sent for {sender.__name__}.")

    for signal in SIGNALS:
        signal.connect(hear)
    try:
        yield heard
    finally:
        for signal in SIGNALS:
            signal.disconnect(hear)


def no_sign(using: str) -> str | None:
    return None


def test_whoever_listens_to_all_models_hears_of_no_row_of_ours_while_jobs_run(heard: list[str]) -> None:
    leave_trace("one")
    leave_trace.enqueue_many([(["many"], {}), (["more"], {})])
    fail_at_first("two")
    cancel("no need")

    Worker(ALIAS, threads=2, leader_sign=no_sign, until_idle=True).run()
    queue.retry(list(FinishedJob.objects.values_list("pk", flat=True)[:1]), ALIAS)
    queue.cancel(list(Job.objects.values_list("pk", flat=True)), "by hand", ALIAS)
    assert sum(queue.prune(ALIAS, database_now(ALIAS) + timedelta(days=1))) > 0

    assert set(heard) == {"Effect"}  # what the tasks write is theirs
    assert not FinishedJob.objects.exists()
    assert not WorkerProcess.objects.exists()


def test_nor_of_workers_that_are_buried(heard: list[str]) -> None:
    worker = roster.sign_in(ALIAS, "here:1", 1, ())

    assert roster.beat(ALIAS, worker)
    with transaction.atomic():
        assert roster.strike_off(ALIAS, roster.signs(ALIAS)) == {worker}

    assert heard == []
    assert not WorkerProcess.objects.exists()


def test_nor_while_a_leader_leads_and_schedules_change(heard: list[str]) -> None:
    nightly = api.schedule(leave_trace, name="nightly", cron="0 3 * * *", args=("nightly",))
    chief = Leader(ALIAS)

    assert chief.run_once()
    nightly.run_now(by="olga")
    nightly.pause("vendor outage")
    nightly.resume()
    now = database_now(ALIAS)
    nightly.backfill(now - timedelta(days=3), now)
    nightly.repair()
    old = Leadership.objects.values_list("pk", flat=True)
    erase(Leadership, list(old), ALIAS)
    assert sum(ledger.prune(ALIAS, now + timedelta(days=1))) > 0
    nightly.run_now()
    nightly.delete()

    assert heard == []
    assert not Schedule.objects.exists()
    assert not Occurrence.objects.exists()
    assert not Leadership.objects.exists()


def test_nor_while_an_operator_works_in_the_admin(admin_client: Client, heard: list[str]) -> None:
    page = "/admin/schedules/schedule/"
    fields = {"name": "nightly", "task": leave_trace.task.name, "args": '["nightly"]', "cron": "30 2 * * *"}
    fields |= {"timezone": "UTC", "dst_gap": "run", "dst_overlap": "first", "catch_up": "latest", "overlap": "skip"}
    fields |= {"max_catch_up": "100", "late_after": "60", "jitter": "0"}

    admin_client.post(f"{page}add/", fields)
    row = Schedule.objects.get()
    admin_client.post(f"{page}{row.pk}/change/", {**fields, "cron": "45 2 * * *"})
    for verb in ("run_now", "pause", "resume"):
        admin_client.post(f"{page}{row.pk}/do/{verb}/", {"reason": "vendor outage", "post": "yes"})
    job = Job.objects.get()
    admin_client.post(f"/admin/worker/job/{job.pk}/do/cancel/", {"post": "yes"})
    admin_client.post(f"{page}{row.pk}/delete/", {"post": "yes"})

    assert set(heard) <= {"LogEntry", "Session", "User"}
    assert not Schedule.objects.exists()
    assert FinishedJob.objects.count() == 1


def test_rows_that_models_of_the_project_refer_to_go_as_django_would_have_it(
    heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the database would refuse to delete them, or their `on_delete` would be forgotten."""
    worker = roster.sign_in(ALIAS, "here:1", 1, ())
    theirs = SimpleNamespace(
        auto_created=True, concrete=False, related_model=Effect, one_to_one=False, one_to_many=False
    )
    monkeypatch.setattr(WorkerProcess._meta, "get_fields", lambda include_hidden: [theirs])
    erasure._others_refer_to.cache_clear()

    try:
        with pytest.raises(AssertionError, match="WorkerProcess"):  # which is what this listener says
            roster.sign_off(ALIAS, worker)
    finally:
        erasure._others_refer_to.cache_clear()
