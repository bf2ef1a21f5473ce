"""Behind a real transaction pooler, where no session is anybody's own: what is found out, left alone, and who leads.

The other tests that run behind it promise there what they promise anywhere (`make test-pooler`).
"""

from __future__ import annotations

import signal

import pytest
from django.core.checks import Tags, run_checks
from django.db import connection, connections
from pytest_django import Settings

from schedules.leader import Leader
from schedules.leader.lock import lock_on
from schedules.models import Occurrence
from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.conformance.model.virtual import ALIAS, declared
from tests.conformance.schedules.leader.test_leader_processes import (
    assert_every_second_ran_once,
    leads,
    newest_term,
    start_two,
)
from tests.conformance.worker.process.workers import Crew, heard, sleeps
from tests.databases import POOLED
from tests.processes import StartProcess, eventually
from worker import signals
from worker.models import FinishedJob
from worker.sessions.connection import behind_pooler, private_connection
from worker.wakeup import READY
from worker.wakeup.asking import is_told, longest_wait
from worker.wakeup.listening import Listener

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on(POOLED)]

KEPT_APART = {"TimeZone", "client_encoding", "DateStyle", "standard_conforming_strings", "application_name"}
"""What the pooler itself sets anew for each client."""
SECONDS_TO_REPLACE = 20.0
"""A leader that is gone. It takes about six; machines are slow at times."""


def left_on_sessions() -> dict[int, tuple[set[str], int, int]]:
    """What a stranger finds on each: settings that differ from the server's, prepared statements, channels heard."""
    found = {}
    for _ in range(30):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_backend_pid(), ARRAY(SELECT name FROM pg_settings WHERE source = 'session'), "
                "(SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_listening_channels())"
            )
            session, settings, *others = cursor.fetchone()
            found[session] = (set(settings) - KEPT_APART, *others)
    return found


def test_it_is_found_out_and_neither_a_session_is_locked_nor_news_awaited() -> None:
    with private_connection(ALIAS, "one") as one:
        assert behind_pooler(connections[one])
        assert lock_on(one).kind == "transaction"
    assert not is_told(ALIAS)
    assert longest_wait(ALIAS) == 0.2


@pytest.mark.parametrize(
    ("scheduler", "says"),
    [
        ({}, ["held for a transaction", "at least every 0.2 s"]),
        ({"LOCK": "session", "WAKEUP": "notify"}, ["held for a session", "at least every 1.0 s"]),
    ],
    ids=["auto", "forced"],
)
def test_check_says_what_it_runs_with(settings: Settings, scheduler: dict[str, str], says: list[str]) -> None:
    settings.SCHEDULER = scheduler

    (message,) = [each for each in run_checks(tags=[Tags.database], databases=[ALIAS]) if each.id == "schedules.I002"]

    assert all(words in message.msg for words in says)


def test_strangers_find_nothing_of_ours_on_the_sessions_that_they_get_next(crew: Crew) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leave_trace("one")
    eventually(lambda: Leader(ALIAS).run_once() and Occurrence.objects.filter(schedule=schedule).exists())
    with Listener(ALIAS, {READY: lambda: None}):
        crew.work_until_idle()

    found = left_on_sessions()

    assert len(found) > 1
    assert all(left == (set(), 0, 0) for left in found.values()), found


def test_nobody_listens_and_the_log_says_so_once(crew: Crew) -> None:
    with heard(signals.news_unheard) as told, Listener(ALIAS, {READY: lambda: None}) as listener:
        assert listener.thread.ident is None
    assert [(each["database"], each["asks_every"]) for each in told] == [(ALIAS, 0.2)]


def test_an_idle_worker_finds_what_is_enqueued_before_a_second_has_passed(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sleeps(monkeypatch) as slept:
        hand = crew.start()
        eventually(lambda: hand.patience == 0.2)

        leave_trace("one")
        eventually(FinishedJob.objects.exists, within=30)

    assert max(each.seconds for each in slept) <= 0.2


def test_a_killed_leader_is_replaced_and_nothing_runs_twice(process: StartProcess) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leader, standby = start_two(process)
    eventually(lambda: leads(leader))
    assert "(transaction lock)" in leader.output

    leader.kill()

    eventually(lambda: leads(standby), within=SECONDS_TO_REPLACE)
    standby.send(signal.SIGTERM)
    assert standby.wait(within=15) == 0
    assert_every_second_ran_once(schedule)


def test_a_leader_that_stands_still_within_a_tick_is_replaced_and_writes_nothing_when_it_wakes(
    process: StartProcess,
) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leader, standby = start_two(process, "lead_and_freeze")
    eventually(lambda: leads(leader))
    first = newest_term()
    assert first is not None

    leader.send(signal.SIGUSR1)
    eventually(lambda: leads(standby), within=SECONDS_TO_REPLACE)
    written = Occurrence.objects.filter(term=first.pk).count()
    leader.send(signal.SIGCONT)
    eventually(lambda: "lost the lead" in leader.output)

    assert Occurrence.objects.filter(term=first.pk).count() == written
    standby.send(signal.SIGTERM)
    assert standby.wait(within=15) == 0
    assert_every_second_ran_once(schedule)


def test_two_processes_work_and_one_of_them_leads(process: StartProcess) -> None:
    both = [process("process_tasks", "--leader") for _ in range(2)]
    eventually(lambda: any("elected" in each.output for each in both), within=30)
    eventually(lambda: all("started: " in each.output for each in both), within=30)
    keys = [str(number) for number in range(100)]

    for key in keys:
        leave_trace(key)
    eventually(lambda: FinishedJob.objects.count() == len(keys), within=30)

    assert sorted(Effect.objects.values_list("key", flat=True)) == sorted(keys)
    for each in both:
        each.send(signal.SIGTERM)
        assert each.wait(within=15) == 0
        assert each.output.count("asking for work every 0.20s") == 1
