"""What the doctor finds in an installation, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now as host_now
from pytest_django import Settings

from schedules import doctor
from schedules.doctor import Examination, examine, ids, installation, leadership, sessions, work
from schedules.doctor.findings import Case, Finding, Severity, one, rows
from schedules.models import Leadership, Schedule
from tests.conformance.model.virtual import ALIAS, declared
from tests.conformance.worker.queue.jobs import in_history, new
from tests.conformance.worker.sessions.pooler import pooled
from worker import queue
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, JobState, WorkerProcess
from worker.queue import MOST_INTERRUPTIONS
from worker.values import NewJob

pytestmark = pytest.mark.usefixtures("database")

on_a_server = pytest.mark.only_on("postgresql", "mysql")
on_postgresql = pytest.mark.only_on("postgresql")

Look = Callable[[Case], Iterator[Finding]]


def case(host_clock: Callable[[], datetime] = host_now) -> Case:
    return Case(ALIAS, database_now(ALIAS), host_clock)


def found(look: Look) -> dict[str, Finding]:
    """By code."""
    return {finding.code: finding for finding in look(case())}


def severities(look: Look) -> dict[str, str]:
    return {code: finding.severity for code, finding in found(look).items()}


def lead(**columns: Any) -> None:
    """Somebody leads, and has just given a sign of life."""
    now = database_now(ALIAS)
    given = {"leader": "web-1:7", "lock": "session", "started_at": now, "renewed_at": now, **columns}
    Leadership.objects.create(**given)


def work_on(*queues: str) -> None:
    now = database_now(ALIAS)
    names = "\n".join(queues)
    WorkerProcess.objects.create(name="w:1", slots=3, queues=names, started_at=now, heartbeat_at=now)


def enqueue(state: JobState, run_at: datetime, **given: Any) -> None:
    columns = {"queue": "default", "priority": 0, "max_attempts": 1, **given}
    queue.enqueue(NewJob("report", "[[],{}]", state=state, run_at=run_at, **columns), ALIAS)


# The installation


def test_migrations_that_were_not_applied_are_named() -> None:
    assert severities(installation.migrations) == {"migrations": "ok"}

    MigrationRecorder(connection).record_unapplied("worker", "0001_initial")
    try:
        (finding,) = found(installation.migrations).values()
    finally:
        MigrationRecorder(connection).record_applied("worker", "0001_initial")

    assert (finding.code, finding.severity) == ("unapplied-migrations", "error")
    assert "worker.0001_initial" in finding.summary


def test_where_tables_are_missing_that_is_said_and_they_are_not_asked() -> None:
    table = Job._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(Job, table, "elsewhere")
    try:
        report = examine(case())
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Job, "elsewhere", table)

    assert "not-migrated" in [finding.code for finding in report.findings]
    assert report.count(Severity.UNKNOWN) == 0


@pytest.mark.usefixtures("nothing_declared")  # those of other tests, too, are known here
def test_what_system_checks_find_is_found(settings: Settings) -> None:
    assert severities(installation.system_checks) == {"system-checks": "ok"}

    settings.SCHEDULES = {"nightly": {"task": "manage:check", "repeat": 10, "jitter": 60}}
    assert severities(installation.system_checks) == {"schedules.W003": "warning"}

    settings.SILENCED_SYSTEM_CHECKS = ["schedules.W003"]
    assert severities(installation.system_checks) == {"system-checks": "ok"}


def test_a_faulty_entry_of_the_settings_is_told_once(settings: Settings) -> None:
    settings.SCHEDULES = {"nightly": {"task": "manage:check", "repaet": 10}}

    faults = [finding for finding in examine(case()).findings if "repaet" in finding.summary]

    assert [finding.code for finding in faults] == ["misdeclared"]


@pytest.mark.parametrize(
    ("ahead", "code"), [(0.0, "clock"), (0.9, "clock"), (1.2, "clock-skew"), (-0.9, "clock"), (-3600, "clock-skew")]
)
def test_a_host_whose_clock_is_off_by_more_than_a_second_is_told(ahead: float, code: str) -> None:
    readings = [database_now(ALIAS) + timedelta(seconds=ahead)] * 2  # in an instant; a slow answer leaves a doubt
    frozen = Case(ALIAS, database_now(ALIAS), readings.pop)

    (finding,) = installation.clock(frozen)

    assert finding.code == code


def test_the_zone_of_a_clock_is_no_skew() -> None:
    away = timezone(timedelta(hours=9))

    (finding,) = installation.clock(case(lambda: host_now().astimezone(away)))

    assert finding.code == "clock"


def test_runs_that_were_planned_with_other_zone_data_are_counted() -> None:
    declared(cron="0 * * * *")
    assert severities(installation.zone_data) == {"zone-data": "ok"}

    Schedule.objects.update(zone_version="2001a")

    (finding,) = found(installation.zone_data).values()
    assert (finding.code, finding.severity, finding.facts["computed with"]) == ("zone-data-differs", "warning", "2001a")


# The leader


def test_no_leader_is_an_error_only_if_a_schedule_needs_one() -> None:
    assert severities(leadership.leader) == {"leader": "ok"}

    declared(cron="0 * * * *")
    assert severities(leadership.leader) == {"no-leader": "error"}

    lead()
    assert severities(leadership.leader) == {"leader": "ok"}


def test_a_leader_without_a_schedule_leads_in_vain_and_that_is_said() -> None:
    lead()
    assert "there is no schedule" in found(leadership.leader)["leader"].summary

    declared(cron="0 * * * *")
    assert "there is no schedule" not in found(leadership.leader)["leader"].summary


def test_of_terms_renewed_at_one_instant_the_newest_counts() -> None:
    now = database_now(ALIAS)
    lead(leader="before:1", started_at=now, renewed_at=now, ended_at=now)
    lead(leader="after:1", started_at=now, renewed_at=now)

    assert found(leadership.leader)["leader"].summary.startswith("after:1 leads")


def test_the_trouble_of_a_leader_is_told() -> None:
    declared(cron="0 * * * *")
    lead(trouble="The database's clock leapt ahead by 1h.")

    finding = found(leadership.leader)["leader-trouble"]

    assert finding.severity == "error"
    assert "leapt ahead by 1h" in finding.summary


def test_a_lead_that_is_lost_again_and_again_is_told_and_one_that_is_given_up_is_not() -> None:
    for _ in range(6):
        lead(leader="given up:1", ended_at=database_now(ALIAS))
    for _ in range(6):
        lead(leader="lost:1")  # the last of them is alive
    assert severities(leadership.terms) == {"terms": "ok"}

    lead(leader="alive:1")

    (finding,) = found(leadership.terms).values()
    assert (finding.code, finding.severity) == ("flapping", "warning")
    assert (finding.facts["lost"], finding.facts["begun"], finding.facts["leaders"]) == (6, 13, "lost:1")


def test_terms_of_long_ago_are_no_flapping() -> None:
    for _ in range(9):
        lead(started_at=database_now(ALIAS) - timedelta(minutes=11))

    assert severities(leadership.terms) == {"terms": "ok"}


# Lock and wake-up


@pytest.mark.own_session
def test_on_a_direct_connection_lock_and_wakeup_fit() -> None:
    assert severities(sessions.lock) == {"lock": "ok"}
    assert severities(sessions.wakeup) == {"wakeup": "ok"}


@on_postgresql
def test_behind_a_pooler_a_session_lock_is_an_error_and_the_transaction_lock_fits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooled(ALIAS, monkeypatch):
        assert found(sessions.lock)["lock"].facts["in use"] == "transaction"

        settings.SCHEDULER = {"LOCK": "session"}
        assert severities(sessions.lock) == {"lock-behind-pooler": "error"}


@on_postgresql
def test_behind_a_pooler_listening_is_in_vain_and_polling_fits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooled(ALIAS, monkeypatch):
        assert severities(sessions.wakeup) == {"wakeup": "ok"}
        assert found(sessions.wakeup)["wakeup"].facts["longest wait"] == timedelta(seconds=0.2)

        settings.SCHEDULER = {"WAKEUP": "notify"}
        assert severities(sessions.wakeup) == {"wakeup-behind-pooler": "warning"}


@on_postgresql
@pytest.mark.own_session
def test_a_transaction_lock_without_a_pooler_works_and_could_be_better(settings: Settings) -> None:
    assert not found(sessions.lock)["lock"].remedy

    settings.SCHEDULER = {"LOCK": "transaction"}

    assert severities(sessions.lock) == {"lock": "ok"}
    assert '"auto"' in found(sessions.lock)["lock"].remedy


# The work


def test_a_job_that_nobody_drains_is_an_error_and_one_that_waits_a_warning() -> None:
    enqueue(JobState.READY, database_now(ALIAS) - timedelta(minutes=2))
    assert severities(work.problems)["no-worker"] == "error"

    work_on("default")
    assert severities(work.problems)["late"] == "warning"

    Job.objects.update(run_at=database_now(ALIAS))
    assert "late" not in found(work.problems)


def test_every_problem_that_list_schedule_knows_has_its_weight_and_its_remedy() -> None:
    declared("good", cron="0 * * * *")
    assert severities(work.problems) == {"work": "ok"}

    declared("broken", cron="0 * * * *")
    Schedule.objects.filter(name="broken").update(broken="no", next_run_at=None)
    declared("unknown", cron="0 * * * *")
    Schedule.objects.filter(name="unknown").update(task="gone")

    assert severities(work.problems) == {"broken": "error", "unknown-task": "warning"}
    assert all(finding.remedy for finding in work.problems(case()))


def test_a_queue_with_work_to_come_and_no_worker_is_named() -> None:
    later = database_now(ALIAS) + timedelta(hours=1)
    enqueue(JobState.SCHEDULED, later, queue="mail")
    declared(cron="0 * * * *", queue="slow")
    work_on("mail", "slow")
    assert severities(work.workers) == {"workers": "ok"}

    WorkerProcess.objects.update(queues="default")

    orphaned = [(finding.code, finding.facts["queue"]) for finding in work.workers(case())]
    assert orphaned == [("no-worker-later", "mail"), ("no-worker-later", "slow")]


def test_a_worker_of_all_queues_drains_each_while_it_lives() -> None:
    enqueue(JobState.SCHEDULED, database_now(ALIAS) + timedelta(hours=1), queue="mail")
    work_on()
    assert severities(work.workers) == {"workers": "ok"}

    WorkerProcess.objects.update(heartbeat_at=database_now(ALIAS) - timedelta(minutes=1))

    assert severities(work.workers) == {"no-worker-later": "warning"}


def test_jobs_that_killed_their_workers_are_told_for_a_day() -> None:
    now = database_now(ALIAS)
    finished = {"state": FinishedState.FAILED, "queue": "q", "max_attempts": 1, "enqueued_at": now, "run_at": now}
    old = now - timedelta(days=2)
    FinishedJob.objects.create(pk=1, task="old", interruptions=MOST_INTERRUPTIONS, finished_at=old, **finished)
    FinishedJob.objects.create(pk=2, task="plain", finished_at=now, **finished)
    assert severities(work.given_up) == {"none-given-up": "ok"}

    FinishedJob.objects.create(pk=3, task="deadly", interruptions=MOST_INTERRUPTIONS, finished_at=now, **finished)

    (finding,) = found(work.given_up).values()
    assert (finding.code, finding.severity, finding.facts["task"]) == ("given-up", "warning", "deadly")


def test_a_sequence_behind_history_is_named_with_the_statement_that_mends_it() -> None:
    look = {"postgresql": ids.on_postgresql, "mysql": ids.on_mysql, "sqlite": ids.on_sqlite}[connection.vendor]
    (before,) = found(look).values()
    assert (before.code, before.severity) == ("ids", "ok")
    given, _ = queue.enqueue(new(), ALIAS)
    in_history(given + 7)

    (finding,) = found(look).values()
    assert (finding.code, finding.severity) == ("ids-behind-history", "error")
    assert finding.facts == {"last id given": given, "last id in history": given + 7}

    with connection.cursor() as cursor:
        cursor.execute(finding.remedy)
    assert severities(look) == {"ids": "ok"}
    assert queue.enqueue(new(), ALIAS)[0] == given + 8


# What it may not look at


def test_an_examination_that_may_not_look_says_so_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(case: Case) -> Iterator[Finding]:
        yield Finding("seen", Severity.OK, str(one(case, "SELECT 1")))
        yield Finding("never", Severity.OK, str(rows(case, "SELECT * FROM forbidden")))

    def allowed(case: Case) -> Iterator[Finding]:
        yield Finding("went-on", Severity.OK, str(one(case, "SELECT 1")))

    of_server = Examination("the forbidden", forbidden, connection.vendor), Examination("the rest", allowed)
    of_ours = (Examination("the forbidden", forbidden),)
    monkeypatch.setattr(doctor, "AREAS", {"work": of_ours, "database": of_server})

    _, unreadable, seen, unseen, went_on = examine(case()).findings

    assert (seen.code, unseen.code, went_on.code) == ("seen", "not-seen", "went-on")
    assert unseen.summary.startswith("Could not look at the forbidden: ")
    assert unseen.severity == "unknown"
    assert (unreadable.code, unreadable.severity) == ("unreadable", "error")


@on_a_server
def test_a_database_that_is_lost_is_no_missing_privilege(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(case: Case) -> Iterator[Finding]:
        with connection.cursor() as cursor:
            connection.connection.close()
            cursor.execute("SELECT 1")
        yield from ()

    monkeypatch.setattr(doctor, "AREAS", {"database": (Examination("it", cut_off),)})
    try:
        with pytest.raises(DatabaseError):
            examine(case())
    finally:
        with suppress(DatabaseError):  # what is closed already cannot be closed
            connection.close()


def test_it_writes_nothing() -> None:
    declared(cron="0 * * * *")
    lead()
    with CaptureQueriesContext(connection) as captured:
        examine(case())

    words = {query["sql"].lstrip("(").split()[0].upper() for query in captured}
    assert words <= {"SELECT", "SHOW", "PRAGMA"}
