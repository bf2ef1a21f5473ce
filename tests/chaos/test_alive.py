"""Who lives is not taken for dead, whatever holds it up, and who is dead is found: under the default settings.

A fault lasts up to three times as long as the dead may be silent. A leader, a candidate, a plain worker and a run until
idle are there side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tests.app.models import Effect
from tests.chaos import figures, scale
from tests.chaos.clocks import SettableClock
from tests.chaos.company import FAULT, SETTINGS, WATCHED_FOR, Company, suspended
from tests.chaos.crew import SECONDS_TO_START, Crew, id_of, stop, wait, wait_until_drained
from tests.chaos.private_servers import DATABASE, PrivateServer
from tests.chaos.tasks import count, count_slowly, write_slowly
from tests.locks import locked
from tests.processes import eventually
from worker.models import FinishedJob, WorkerProcess

MOST_SECONDS_UNTIL_FOUND = 30.0
OURS = ["worker_workerprocess", "worker_job", "worker_finishedjob", "schedules_leadership", "schedules_schedule"]
STEPS = [1, -1, 60, -60, 3_600, -3_600, 86_400, -86_400]
"""Seconds by which a clock is wrong, one after the other."""
TOLERANCE = timedelta(seconds=30)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stops processes and looks at them as Linux has them")
on_a_server = pytest.mark.only_on("postgresql", "mysql")
led_or_not = pytest.mark.parametrize(
    "led", [pytest.param(True, id="led"), pytest.param(False, id="not led", marks=scale.at_length)]
)


@led_or_not
def test_a_lock_on_all_tables_buries_nobody(crew: Crew, led: bool) -> None:
    company = Company(crew, led=led)
    for seconds in scale.LOCKS or [FAULT]:
        company.begin_jobs(seconds)
        with locked(OURS):
            wait(seconds)
        company.assert_all_live()
    _end_with_a_death(company, "after a lock")


@pytest.mark.only_on("sqlite")
def test_a_task_that_writes_for_longer_than_the_silence_of_the_dead_buries_nobody(crew: Crew) -> None:
    """Where others wait for the file for as long, in the process that leads and runs it beside another job."""
    crew.url += "?timeout=60"
    crew.scheduler = scale.SIGNS_OF_LIFE
    alone = crew.leader("--threads", "2")
    eventually(lambda: id_of(alone), within=SECONDS_TO_START)
    count_slowly.enqueue("beside", 2 * SETTINGS.RESCUE_AFTER)
    eventually(Effect.objects.exists)
    write_slowly.enqueue("writes", 1.65 * SETTINGS.RESCUE_AFTER)

    wait_until_drained()

    assert FinishedJob.objects.filter(state="succeeded", attempts=1, interruptions=0).count() == 2
    assert Effect.objects.count() == 2
    stop(alone)


@on_a_server
def test_a_lock_on_each_table_buries_nobody(crew: Crew) -> None:
    company = Company(crew)
    for table in OURS:
        company.begin_jobs(1.5 * SETTINGS.RESCUE_AFTER)
        with locked([table]):
            wait(1.5 * SETTINGS.RESCUE_AFTER)
        company.assert_all_live()
    company.end()


@pytest.mark.only_on("mysql")
def test_a_lock_on_the_whole_server_buries_nobody(crew: Crew, server_of_its_own: PrivateServer) -> None:
    """As a backup takes one, with FLUSH TABLES WITH READ LOCK."""
    company = Company(crew)
    company.begin_jobs(FAULT)
    with locked([]):
        wait(FAULT)
    company.assert_all_live()
    company.end()


@on_a_server
def test_a_time_in_which_the_server_may_only_be_read_buries_nobody(
    crew: Crew, server_of_its_own: PrivateServer
) -> None:
    company = Company(_without_privileges(crew))
    company.begin_jobs(FAULT)
    with _read_only():
        wait(FAULT)
    assert all("read-only" in each.output for each in company.staying)
    company.assert_all_live()
    _end_with_a_death(company, "after a read-only time")


@on_a_server
@led_or_not
def test_a_server_that_stands_still_buries_nobody(crew: Crew, server_of_its_own: PrivateServer, led: bool) -> None:
    """As one whose disk stalls, or that is moved to another host."""
    company = Company(crew, led=led)
    company.begin_jobs(FAULT)
    with server_of_its_own.stalled():
        wait(FAULT)
    company.assert_all_live()
    _end_with_a_death(company, "after a stall")


@led_or_not
def test_a_host_that_was_suspended_takes_nobody_for_dead_when_it_wakes(crew: Crew, led: bool) -> None:
    company = Company(crew, led=led)
    company.begin_jobs(FAULT)
    with suspended(company.processes):
        wait(FAULT)
    company.assert_all_live()
    _end_with_a_death(company, "after a suspension")


@led_or_not
def test_a_clock_that_is_set_buries_nobody(crew: Crew, clock: SettableClock, led: bool) -> None:
    company = Company(crew, led=led)
    company.begin_jobs(len(STEPS) * WATCHED_FOR)
    for seconds in STEPS:
        _set(clock, seconds)
        wait(WATCHED_FOR)
    company.assert_all_live()
    _end_with_a_death(company, "after the clock was set")


@led_or_not
def test_after_a_clock_was_ahead_the_dead_are_found_and_delayed_jobs_run(
    crew: Crew, clock: SettableClock, led: bool
) -> None:
    company = Company(crew, led=led)
    _set(clock, 3_600)
    dead = company.kill_one()
    clock.set(0)
    company.labels.append("delayed")
    delayed = count.using(schedule=1).enqueue("delayed")

    _assert_found_in_time(company, dead, "after the clock was ahead")
    eventually(FinishedJob.objects.filter(pk=delayed.pk).exists, within=MOST_SECONDS_UNTIL_FOUND)
    company.end()


def _set(clock: SettableClock, seconds: int) -> None:
    """And see that signs of life are dated by it."""
    clock.set(seconds)
    wrong, signs = timedelta(seconds=seconds), WorkerProcess.objects.values_list("heartbeat_at", flat=True)
    eventually(lambda: all(abs(at - datetime.now(UTC) - wrong) < TOLERANCE for at in signs.all()), within=60)


def _end_with_a_death(company: Company, when: str) -> None:
    _assert_found_in_time(company, company.kill_one(), when)
    company.end()


def _assert_found_in_time(company: Company, dead: int, when: str) -> None:
    seconds = company.seconds_until_found(dead)
    figures.tell(f"worker killed {when} → its jobs are given to others", [seconds])
    assert seconds <= MOST_SECONDS_UNTIL_FOUND


def _without_privileges(crew: Crew) -> Crew:
    """Processes of a user whom a server that may only be read refuses: not so its administrator on MariaDB."""
    if connection.vendor == "mysql":
        _execute("CREATE USER carillon@'%'", f"GRANT ALL ON {DATABASE}.* TO carillon@'%'")
        crew.url = crew.url.replace("root@", "carillon@")
    return crew


@contextmanager
def _read_only() -> Iterator[None]:
    _execute(*_READ_ONLY[connection.vendor][0])
    try:
        yield
    finally:
        _execute(*_READ_ONLY[connection.vendor][1])


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


_READ_ONLY = {
    "postgresql": (
        ["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"],
        ["ALTER SYSTEM SET default_transaction_read_only = off", "SELECT pg_reload_conf()"],
    ),
    "mysql": (["SET GLOBAL read_only = 1"], ["SET GLOBAL read_only = 0"]),
}
