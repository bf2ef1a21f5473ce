"""Leaders as processes that are killed, stopped and asked to end: another leads soon, and nothing runs twice."""

from __future__ import annotations

import signal

import pytest

from schedules.models import Leadership, Occurrence, Schedule
from tests.conformance.model.virtual import again, declared
from tests.processes import Process, StartProcess, eventually
from worker.models import Job

pytestmark = pytest.mark.usefixtures("database")

on_a_server = pytest.mark.only_on("postgresql", "mysql")
"""SQLite has no server that could end the session of a stopped process."""


SECONDS_TO_THE_NEXT_TICK = 1


def start_two(process: StartProcess, *leader: str) -> tuple[Process, Process]:
    """A process that leads, with a command of its own if one is given, and one that stands by."""
    leads = process(*(leader or ("process_tasks", "--leader-only")))
    eventually(lambda: newest_term() is not None, within=30)
    stands_by = process("process_tasks", "--leader-only")
    eventually(lambda: "stands by" in stands_by.output, within=30)
    return leads, stands_by


def newest_term() -> Leadership | None:
    return Leadership.objects.order_by("-pk").first()


def leads(candidate: Process) -> bool:
    term = newest_term()
    return term is not None and term.leader.endswith(f":{candidate.pid}") and has_ticked(term)


def has_ticked(term: Leadership) -> bool:
    return Occurrence.objects.filter(term=term.pk).exists()


def assert_every_second_ran_once(schedule: Schedule) -> None:
    """Or was recorded as coalesced, while nobody led."""
    settled = again(schedule)
    assert settled.anchor is not None
    lines = Occurrence.objects.filter(schedule=schedule)
    expected = settled.recurrence.count(settled.anchor, settled.settled_until)
    assert sum(lines.values_list("count", flat=True)) == expected
    enqueued = lines.filter(outcome="enqueued").values_list("scheduled_for", "job_id")
    assert sorted(enqueued) == sorted(Job.objects.values_list("scheduled_for", "pk"))


@pytest.mark.own_session
def test_when_the_leader_is_killed_another_enqueues_the_next_job_within_two_seconds(process: StartProcess) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leader, standby = start_two(process)
    eventually(lambda: leads(leader))

    leader.kill()

    eventually(lambda: leads(standby), within=2)
    standby.send(signal.SIGTERM)
    assert standby.wait(within=15) == 0
    assert_every_second_ran_once(schedule)


def test_a_leader_that_is_asked_to_end_resigns_and_another_leads(process: StartProcess) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leader, standby = start_two(process)
    eventually(lambda: leads(leader))

    leader.send(signal.SIGTERM)

    assert leader.wait(within=10) == 0
    eventually(lambda: leads(standby), within=2)
    standby.send(signal.SIGTERM)
    assert standby.wait(within=15) == 0
    assert not Leadership.objects.filter(ended_at=None).exists()
    assert_every_second_ran_once(schedule)


@on_a_server
@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param(("process_tasks", "--leader-only"), signal.SIGSTOP, id="between ticks"),
        pytest.param(("lead_and_freeze",), signal.SIGUSR1, id="within a tick"),
    ],
)
def test_a_leader_that_is_stopped_is_replaced_and_writes_nothing_when_it_wakes(
    process: StartProcess, command: tuple[str, ...], number: signal.Signals
) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leader, standby = start_two(process, *command)
    eventually(lambda: leads(leader))
    first = newest_term()
    assert first is not None

    leader.send(number)
    eventually(lambda: leads(standby), within=6 if number is signal.SIGSTOP else 6 + SECONDS_TO_THE_NEXT_TICK)
    written = Occurrence.objects.filter(term=first.pk).count()
    leader.send(signal.SIGCONT)
    eventually(lambda: "lost the lead" in leader.output)

    assert Occurrence.objects.filter(term=first.pk).count() == written
    first.refresh_from_db()
    assert first.ended_at is None
    standby.send(signal.SIGTERM)
    assert standby.wait(within=15) == 0
    eventually(lambda: leads(leader))
    leader.send(signal.SIGTERM)
    assert leader.wait(within=15) == 0
    assert_every_second_ran_once(schedule)


def test_a_process_that_only_leads_runs_no_job(process: StartProcess) -> None:
    declared(repeat=1, overlap="allow")
    process("process_tasks", "--leader-only")

    eventually(lambda: Job.objects.count() >= 2, within=30)

    assert set(Job.objects.values_list("state", flat=True)) == {"ready"}
