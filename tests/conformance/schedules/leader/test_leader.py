"""The leader: elected by its lock, ended by its loss, and careful with clocks. Leaders in threads, on real sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from schedules import changes, signals
from schedules.declarations.sync import declarations
from schedules.leader import Leader
from schedules.leader.alive import is_alive, last_sign, newest_term
from schedules.leader.glance import Watch, glance
from schedules.leader.lock import FileLock, NotLeader, lock_on
from schedules.leader.term import HOLD_AFTER_LEAP, LONGEST_SILENCE, Term
from schedules.models import Leadership, Occurrence, Schedule
from schedules.testing import ManualClock
from tests.conformance.model.virtual import ALIAS, again, declared
from tests.conformance.worker.queue.jobs import enqueue
from tests.processes import eventually
from tests.refusals import renamed
from worker.clock import Monotonic, database_now
from worker.models import Job, JobState
from worker.sessions.connection import private_connection

pytestmark = pytest.mark.usefixtures("database")

on_postgresql = pytest.mark.only_on("postgresql")


class SetClock(Watch):
    """Somebody has set the clock of the database, which every glance then shows."""

    def __init__(self, using: str, ahead: timedelta) -> None:
        super().__init__(using)
        self.ahead = ahead

    def glance(self) -> tuple[datetime, datetime | None]:
        now, due = super().glance()
        return now + self.ahead, due


class Leaders:
    """Starts leaders in threads, and stops them all in the end."""

    def __init__(self) -> None:
        self.started: dict[str, tuple[Leader, Thread]] = {}

    def start(self, name: str, longest_sleep: float | None = None) -> Leader:
        new = Leader(ALIAS, longest_sleep=longest_sleep)
        new.name = name
        thread = Thread(target=self._run, args=[new], daemon=True)
        self.started[name] = (new, thread)
        thread.start()
        return new

    def stop(self, name: str) -> None:
        ends, thread = self.started[name]
        ends.stop()
        thread.join(20)
        assert not thread.is_alive()

    def stop_all(self) -> None:
        for name in self.started:
            self.stop(name)

    @staticmethod
    def _run(new: Leader) -> None:
        try:
            new.run()
        finally:
            connections.close_all()


@pytest.fixture
def leaders() -> Iterator[Leaders]:
    started = Leaders()
    yield started
    started.stop_all()


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What was told of leaders, such as "a elected"."""
    told: list[str] = []
    with ExitStack() as until_the_end:
        for event in ("elected", "resigned", "lost", "standby"):
            until_the_end.enter_context(_noting(event, told))
        yield told


@contextmanager
def _noting(event: str, told: list[str]) -> Iterator[None]:
    def note(leader: str, **_: Any) -> None:
        told.append(f"{leader} {event}")

    signal = getattr(signals, f"leader_{event}")
    signal.connect(note)
    try:
        yield
    finally:
        signal.disconnect(note)


def leading() -> list[str]:
    return list(Leadership.objects.filter(ended_at=None).order_by("pk").values_list("leader", flat=True))


def term_of(name: str) -> Leadership | None:
    return Leadership.objects.filter(leader=name).order_by("-pk").first()


def newest_term_has_ticked(at_least: int = 1) -> bool:
    """Once there were so many terms."""
    terms = list(Leadership.objects.order_by("pk").values_list("pk", flat=True))
    return len(terms) >= at_least and Occurrence.objects.filter(term=terms[-1]).exists()


# One leads


def test_of_several_candidates_one_leads_and_the_others_stand_by(leaders: Leaders, told: list[str]) -> None:
    for name in ("a", "b", "c"):
        leaders.start(name)

    eventually(lambda: len(told) == 3)

    assert sorted(each.split()[1] for each in told) == ["elected", "standby", "standby"]
    assert len(leading()) == 1


def test_the_leader_turns_due_occurrences_into_jobs_in_its_term(leaders: Leaders) -> None:
    schedule = declared(repeat=1, overlap="allow")

    leaders.start("a")

    eventually(lambda: Job.objects.filter(schedule_id=schedule.pk).count() >= 2)
    assert set(Occurrence.objects.values_list("term", flat=True)) == {Leadership.objects.get().pk}


def test_a_job_is_enqueued_within_half_a_second_of_its_time(leaders: Leaders) -> None:
    leaders.start("a")
    eventually(leading)
    declared(repeat=1, overlap="allow")

    eventually(lambda: Occurrence.objects.filter(outcome="enqueued").exists())

    line = Occurrence.objects.filter(outcome="enqueued").earliest("scheduled_for")
    assert line.recorded_at - line.scheduled_for < timedelta(seconds=0.5)


def test_a_leader_that_stops_resigns_and_another_leads(leaders: Leaders, told: list[str]) -> None:
    leaders.start("a")
    eventually(leading)
    leaders.start("b")
    eventually(lambda: "b standby" in told)

    leaders.stop("a")

    eventually(lambda: leading() == ["b"], within=2)
    resigned = term_of("a")
    assert resigned is not None
    assert resigned.ended_at is not None
    assert "a resigned" in told


def test_a_process_is_as_old_as_it_is_also_while_another_leads(leaders: Leaders, told: list[str]) -> None:
    leaders.start("a")
    eventually(leading)
    waits = leaders.start("b")
    eventually(lambda: "b standby" in told)
    stood_by_at = database_now(ALIAS)

    leaders.stop("a")
    eventually(lambda: leading() == ["b"])

    assert waits.started_at is not None
    assert waits.started_at <= stood_by_at


def test_to_lead_once_is_to_tick_once_and_resign() -> None:
    schedule = declared(repeat=60)
    Schedule.objects.update(
        settled_until=database_now(ALIAS) - timedelta(minutes=3), next_run_at=database_now(ALIAS), anchor=None
    )

    assert Leader(ALIAS).run_once()

    assert Job.objects.filter(schedule_id=schedule.pk).count() == 1
    assert leading() == []


def test_to_lead_once_is_refused_while_another_leads(leaders: Leaders) -> None:
    leaders.start("a")
    eventually(leading)

    assert not Leader(ALIAS).run_once()


# Nothing is due


def test_an_idle_leader_asks_one_question_a_turn() -> None:
    declared(repeat=3600)
    with a_term(ManualClock(database_now(ALIAS))) as term:
        term.begin()
        term.turn()

        with CaptureQueriesContext(connections[term.using]) as asked:
            term.turn()

    assert len(asked) == 1


def test_a_glance_tells_what_comes_first() -> None:
    now, due = glance(ALIAS)
    assert due is None
    paused = declared("paused", repeat=60)
    changes.pause(paused, ALIAS, now, reason="", until=now + timedelta(minutes=30))
    assert glance(ALIAS)[1] == again(paused).paused_until

    schedule = declared(repeat=60)
    assert glance(ALIAS)[1] == schedule.next_run_at
    delayed = enqueue(state=JobState.SCHEDULED, delay=30.0)
    assert glance(ALIAS)[1] == Job.objects.get(pk=delayed).run_at
    enqueue(state=JobState.WAITING)
    now, due = glance(ALIAS)
    assert due == now


# The lead is lost


def end_session_of_leader() -> None:
    """As a failing server or network would. SQLite has no session to end; there the lock's file is deleted."""
    match connection.vendor:
        case "postgresql":
            ask = (
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        case "mysql":
            with private_connection(ALIAS, "neighbour") as using, connections[using].cursor() as cursor:
                cursor.execute("SELECT IS_USED_LOCK(%s)", [getattr(lock_on(using), "name", "")])
                ask = f"KILL {cursor.fetchone()[0]}"
        case _:
            Path(FileLock(connection).path).unlink()
            return
    with connection.cursor() as cursor:
        cursor.execute(ask)


@pytest.mark.own_session
def test_a_leader_whose_session_is_ended_begins_a_new_term(leaders: Leaders, told: list[str]) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leaders.start("a")
    eventually(lambda: Job.objects.exists())
    first = Leadership.objects.get().pk

    end_session_of_leader()

    eventually(lambda: Occurrence.objects.filter(term__gt=first).exists())
    assert told[:3] == ["a elected", "a lost", "a elected"]
    lines = Occurrence.objects.filter(schedule=schedule).order_by("scheduled_for")
    terms = [line.term or 0 for line in lines]
    assert terms == sorted(terms)


@pytest.mark.own_session
def test_through_many_losses_every_occurrence_runs_once(leaders: Leaders) -> None:
    schedule = declared(repeat=1, overlap="allow", catch_up="all")
    for name in ("a", "b"):
        leaders.start(name)

    for losses in range(1, 4):
        eventually(partial(newest_term_has_ticked, at_least=losses))
        end_session_of_leader()
    eventually(partial(newest_term_has_ticked, at_least=4))
    leaders.stop_all()

    settled = again(schedule)
    assert settled.anchor is not None
    expected = list(schedule.recurrence.between(settled.anchor, settled.settled_until))
    assert list(Occurrence.objects.order_by("scheduled_for").values_list("scheduled_for", flat=True)) == expected
    assert list(Job.objects.order_by("scheduled_for").values_list("scheduled_for", flat=True)) == expected


@contextmanager
def a_term(host: Monotonic = time, ahead: timedelta = timedelta(0)) -> Iterator[Term]:
    """A term that the test turns by hand. Once it has begun, its database's clock is so far `ahead`."""
    with private_connection(ALIAS, "leader") as using:
        lock = lock_on(using)
        assert lock.acquire()
        try:
            yield Term(
                using, lock, "by hand", database_now(using), declarations(), watch=SetClock(using, ahead), host=host
            )
        finally:
            lock.abandon()


@pytest.mark.own_session
def test_a_term_without_the_lock_writes_nothing() -> None:
    schedule = declared(repeat=1)
    with a_term() as term:
        term.begin()
        eventually(lambda: database_now(ALIAS) > (schedule.next_run_at or database_now(ALIAS)))

        term.lock.release()

        with pytest.raises(NotLeader):
            term.turn()
        with pytest.raises(NotLeader):
            term.begin()
        with pytest.raises(NotLeader):
            term.end()
    assert (Job.objects.count(), Leadership.objects.count()) == (0, 1)


@pytest.mark.only_on("postgresql", "mysql")
def test_a_term_whose_session_was_ended_writes_nothing() -> None:
    schedule = declared(repeat=1)
    with a_term() as term:
        term.begin()
        eventually(lambda: database_now(ALIAS) > (schedule.next_run_at or database_now(ALIAS)))

        end_session_of_leader()

        for _ in range(3):
            with pytest.raises(DatabaseError):
                term.turn()
    assert Job.objects.count() == 0


def test_l17_what_another_process_plans_with_other_zone_data_is_planned_anew_within_a_minute() -> None:
    schedule = declared(cron="30 2 * * *", timezone="Europe/Paris")
    host = ManualClock(database_now(ALIAS))
    with a_term(host) as term:
        term.begin()
        term.turn()
        Schedule.objects.update(next_run_at=database_now(ALIAS) + timedelta(hours=1, days=1), zone_version="1970a")

        host.advance(60)
        term.turn()

    assert (again(schedule).next_run_at, again(schedule).zone_version) == (schedule.next_run_at, schedule.zone_version)


# Clocks


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_leaps_holds_the_ticks_and_says_so(hours: int) -> None:
    leaps: list[float] = []

    def note(seconds: float, **_: Any) -> None:
        leaps.append(round(seconds, -1))

    signals.clock_leapt.connect(note)
    declared(repeat=1)
    with a_term(ahead=timedelta(hours=hours)) as term:
        term.begin()

        assert term.turn() <= LONGEST_SILENCE
        assert term.turn() <= LONGEST_SILENCE
    signals.clock_leapt.disconnect(note)

    assert leaps == [3600 * hours]
    assert Job.objects.count() == 0
    assert f"leapt {'ahead' if hours > 0 else 'back'} by 1h" in Leadership.objects.get().trouble


def test_after_a_leap_the_leader_goes_on_and_says_no_more() -> None:
    declared(repeat=1)
    host = ManualClock(database_now(ALIAS))
    with a_term(host, ahead=timedelta(hours=1)) as term:
        term.begin()
        term.turn()

        host.advance(HOLD_AFTER_LEAP)
        term.turn()

    assert Job.objects.count() == 1
    assert Leadership.objects.get().trouble == ""


@pytest.mark.parametrize("hours", [0, 1], ids=["in ordinary times", "while ticks are held"])
def test_a_leader_wakes_twice_in_a_heartbeat_to_look_for_the_dead(hours: int) -> None:
    with override_settings(SCHEDULER={"HEARTBEAT": 0.5, "RESCUE_AFTER": 2}):
        host = ManualClock(database_now(ALIAS))
        with a_term(host, ahead=timedelta(hours=hours)) as term:
            term.begin()

            assert term.turn() <= 0.25
            host.advance(0.25)
            assert term.turn() <= 0.25


def test_a_clock_that_drifts_by_less_than_five_minutes_holds_nothing() -> None:
    declared(repeat=1)
    with a_term(ahead=timedelta(seconds=290)) as term:
        term.begin()

        term.turn()

    assert Job.objects.count() == 1
    assert Leadership.objects.get().trouble == ""


# Signs of life


def somebody_leads() -> bool:
    return is_alive(newest_term(ALIAS), database_now(ALIAS))


def test_where_nobody_ever_led_there_is_no_sign_of_life() -> None:
    assert last_sign(ALIAS) is None
    assert not somebody_leads()


def test_a_leader_gives_signs_of_life_whatever_the_last_one_says() -> None:
    with a_term() as term:
        term.begin()
        for away in (-8, 3600):
            Leadership.objects.update(renewed_at=database_now(ALIAS) + timedelta(seconds=away))
            before = last_sign(ALIAS)
            term.renew_at = 0

            term.turn()

            assert last_sign(ALIAS) != before
    assert somebody_leads()


def test_a_leader_that_fell_silent_counts_as_gone() -> None:
    with a_term() as term:
        term.begin()
    Leadership.objects.update(renewed_at=database_now(ALIAS) - timedelta(seconds=11))

    assert not somebody_leads()


def test_a_leader_that_resigned_counts_as_gone() -> None:
    assert Leader(ALIAS).run_once()

    assert not somebody_leads()


def test_a_leader_that_was_killed_does_not_lead_again_when_its_successor_has_resigned() -> None:
    now = database_now(ALIAS)
    Leadership.objects.create(leader="killed:1", lock="row", started_at=now, renewed_at=now)
    Leadership.objects.create(leader="resigned:1", lock="row", started_at=now, renewed_at=now, ended_at=now)

    assert not somebody_leads()


def test_a_leader_that_sleeps_is_woken(leaders: Leaders) -> None:
    asleep = leaders.start("a", longest_sleep=60.0)
    eventually(lambda: leading() and not asleep.news.is_set())
    schedule = declared(repeat=60, start="2020-01-01 00:00")
    Schedule.objects.update(next_run_at=database_now(ALIAS))

    asleep.wake()

    eventually(lambda: Schedule.objects.filter(pk=schedule.pk, next_run_at__gt=database_now(ALIAS)).exists())


# A lock for each transaction


@pytest.fixture
def transaction_mode() -> Iterator[None]:
    with override_settings(SCHEDULER={"LOCK": "transaction", "HEARTBEAT": 0.2, "RESCUE_AFTER": 20}):
        yield


@on_postgresql
def test_in_transaction_mode_one_leads_and_another_takes_over(
    transaction_mode: None, leaders: Leaders, told: list[str]
) -> None:
    schedule = declared(repeat=1, overlap="allow")
    leaders.start("a")
    eventually(lambda: leading() == ["a"])
    leaders.start("b")
    eventually(lambda: "b standby" in told)

    leaders.stop("a")

    eventually(lambda: leading() == ["b"])
    eventually(newest_term_has_ticked)
    assert Leadership.objects.latest("pk").lock == "transaction"
    assert Job.objects.filter(schedule_id=schedule.pk).count() == Occurrence.objects.filter(outcome="enqueued").count()


@on_postgresql
@pytest.mark.parametrize("away", [0, -3600, 3600])
def test_in_transaction_mode_a_leader_that_vanished_is_replaced_whatever_the_date_of_its_last_sign(
    transaction_mode: None, leaders: Leaders, away: float
) -> None:
    """The database's clock may have been set since."""
    then = database_now(ALIAS) + timedelta(seconds=away)
    Leadership.objects.create(leader="vanished", lock="transaction", started_at=then, renewed_at=then)

    leaders.start("b")

    eventually(lambda: term_of("b"))


@on_postgresql
@pytest.mark.parametrize("away", [-3600, 3600])
def test_in_transaction_mode_a_leader_that_lives_is_not_replaced_whatever_the_date_of_its_signs(
    transaction_mode: None, away: float
) -> None:
    with private_connection(ALIAS, "one") as one, private_connection(ALIAS, "other") as other:
        term, clock = (
            Term(one, lock_on(one), "a", database_now(ALIAS), declarations()),
            ManualClock(database_now(ALIAS)),
        )
        term.begin()
        candidate = Leader(ALIAS, host=clock)
        for second in range(30):
            if second % 4 == 0:
                then = database_now(ALIAS) + timedelta(seconds=away + second)
                Leadership.objects.update(renewed_at=then)
            clock.advance(1)

            assert not candidate._may_lead(other, lock_on(other))


@on_postgresql
def test_in_transaction_mode_a_candidate_is_not_in_the_way_of_who_leads(transaction_mode: None) -> None:
    with private_connection(ALIAS, "one") as one, private_connection(ALIAS, "other") as other:
        term = Term(one, lock_on(one), "a", database_now(ALIAS), declarations())
        term.begin()

        with transaction.atomic(using=other):
            assert not Leader(ALIAS)._may_lead(other, lock_on(other))
            term.turn()


@on_postgresql
def test_in_transaction_mode_each_proof_is_a_sign_of_life(transaction_mode: None) -> None:
    with private_connection(ALIAS, "one") as one:
        term = Term(one, lock_on(one), "a", database_now(ALIAS), declarations())
        term.begin()
        begun = last_sign(ALIAS)

        with transaction.atomic(using=one):
            term.prove()

        assert last_sign(ALIAS) != begun


@on_postgresql
def test_in_transaction_mode_a_term_writes_nothing_once_a_newer_one_has_begun(transaction_mode: None) -> None:
    schedule = declared(repeat=1)
    with private_connection(ALIAS, "one") as one, private_connection(ALIAS, "other") as other:
        first = Term(one, lock_on(one), "one", database_now(ALIAS), declarations())
        first.begin()
        second = Term(other, lock_on(other), "other", database_now(ALIAS), declarations())
        second.begin(after=last_sign(ALIAS))
        eventually(lambda: database_now(ALIAS) > (schedule.next_run_at or database_now(ALIAS)))

        for _ in range(2):
            with pytest.raises(NotLeader):
                first.turn()
        assert Job.objects.count() == 0

        second.turn()
    assert set(Occurrence.objects.values_list("term", flat=True)) == {second.id}


@on_postgresql
def test_in_transaction_mode_two_of_one_name_are_two_candidates(transaction_mode: None, told: list[str]) -> None:
    """As two containers with the same host name are, in each of which the process is the first."""
    first, second = Leaders(), Leaders()
    try:
        first.start("web:1")
        eventually(lambda: leading() == ["web:1"])
        second.start("web:1")
        eventually(lambda: "web:1 standby" in told)
        for _ in range(3):
            sign = Leadership.objects.latest("pk").renewed_at
            eventually(Leadership.objects.filter(renewed_at__gt=sign).exists)

        assert Leadership.objects.count() == 1
        assert told == ["web:1 elected", "web:1 standby"]
    finally:
        second.stop_all()
        first.stop_all()


@on_postgresql
def test_in_transaction_mode_two_candidates_at_once_begin_one_term(transaction_mode: None) -> None:
    with private_connection(ALIAS, "one") as one, private_connection(ALIAS, "other") as other:
        now: datetime = database_now(ALIAS)
        first, second = (
            Term(one, lock_on(one), "a", now, declarations()),
            Term(other, lock_on(other), "b", now, declarations()),
        )

        first.begin()

        with pytest.raises(NotLeader):
            second.begin()
    assert leading() == ["a"]


# What fails again and again


def test_a_leader_whose_terms_all_fail_tries_ever_more_seldom_and_leads_when_they_fail_no_more(
    leaders: Leaders, told: list[str]
) -> None:
    """As after half a migration: the lock is there to be had, and a table is not."""
    delays: list[float] = []

    def note(retry_in: float, **_: Any) -> None:
        delays.append(retry_in)

    signals.leader_disconnected.connect(note)
    try:
        with renamed("schedules_leadership"):
            leaders.start("a")
            eventually(lambda: len(delays) >= 3, within=20)
        eventually(lambda: told, within=20)
    finally:
        signals.leader_disconnected.disconnect(note)

    assert delays[:3] == [0.5, 1.0, 2.0]
    assert told == ["a elected"]
