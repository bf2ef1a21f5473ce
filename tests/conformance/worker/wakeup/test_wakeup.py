"""News of work: heard at once where the database can tell, by this process and by others; never before a commit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from django.db import connection, connections, transaction
from pytest_django import Settings

from schedules.testing import ManualClock
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, crew_of_test, cut
from tests.conformance.worker.queue.jobs import ALIAS, another_session, enqueue, living_worker, rolled_back
from tests.processes import StartProcess, eventually
from tests.schedules.recurrence.moments import at
from worker import queue, wakeup
from worker.models import FinishedJob, Job, JobState
from worker.wakeup import LATER, READY, Told
from worker.wakeup.asking import longest_wait
from worker.wakeup.listening import Listener

pytestmark = pytest.mark.usefixtures("database")

postgresql_only = pytest.mark.only_on("postgresql")
told_at_once = pytest.mark.only_on("postgresql", "sqlite")


class Ears:
    """How often was heard of what, and how many jobs were there to be seen when it was."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()
        self.seen = 0

    def listener(self) -> Listener:
        return Listener(ALIAS, {READY: self._look, LATER: partial(self._note, LATER)})

    def _look(self) -> None:
        self.seen = Job.objects.count()
        self._note(READY)

    def _note(self, topic: str) -> None:
        self.heard[topic] += 1


def seconds_until_started(job: FinishedJob | None) -> float:
    """By the database's clock."""
    assert job is not None
    assert job.started_at is not None
    return (job.started_at - job.enqueued_at).total_seconds()


# In this process


@pytest.fixture
def ears(settings: Settings) -> Ears:
    """Only this process tells: what is heard was told by the one who committed."""
    settings.SCHEDULER = {"WAKEUP": "poll"}
    return Ears()


def test_news_is_told_when_the_caller_commits_and_not_before(ears: Ears) -> None:
    with ears.listener(), transaction.atomic():
        enqueue()
        assert ears.heard == {}
    with ears.listener():
        assert ears.heard == {READY: 1}


def test_a_rollback_tells_nothing(ears: Ears) -> None:
    with ears.listener(), rolled_back():
        enqueue()
        enqueue(state=JobState.SCHEDULED, delay=60.0)

    assert ears.heard == {}


def test_ready_and_later_are_told_to_whom_they_concern(ears: Ears) -> None:
    with ears.listener():
        enqueue(state=JobState.SCHEDULED, delay=60.0)
        assert ears.heard == {LATER: 1}
        queue.enqueue_many([], ALIAS)
        assert ears.heard == {LATER: 1}
        enqueue()
        assert ears.heard == {LATER: 1, READY: 1}


def test_who_listens_no_more_is_told_no_more(ears: Ears) -> None:
    with ears.listener():
        enqueue()
    enqueue()

    assert ears.heard == {READY: 1}


def test_given_back_and_promoted_jobs_are_news(ears: Ears) -> None:
    enqueue()
    delayed = enqueue(state=JobState.SCHEDULED, delay=0.0)
    run_at = Job.objects.get(pk=delayed).run_at
    jobs = queue.claim(ALIAS, living_worker(), 10)

    with ears.listener():
        queue.release(ALIAS, jobs)
        assert ears.heard == {READY: 1}
        queue.promote(ALIAS, run_at)
        assert ears.heard == {READY: 2}


# From another session


@contextmanager
def as_another_process() -> Iterator[None]:
    """Know nothing of the listeners of this one."""
    ears = wakeup.ears[:]
    wakeup.ears.clear()
    try:
        yield
    finally:
        wakeup.ears[:] = ears


def told(ears: Ears) -> bool:
    """Enqueue as another process would, and say whether any such news was heard."""
    with as_another_process():
        enqueue()
    return ears.heard[READY] > 0


@told_at_once
def test_news_of_another_process_is_heard() -> None:
    ears = Ears()
    with ears.listener():
        eventually(lambda: told(ears))


def listen(session: str) -> None:
    with connections[session].cursor() as cursor:
        cursor.execute(f"LISTEN {wakeup.channel()}")


def heard(session: str) -> Counter[str]:
    """How often a session that listens was told of what, until now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, 'that is all')", [wakeup.channel()])
    notices = connections[session].connection.notifies(timeout=30)
    return Counter(iter(lambda: next(notices).payload, "that is all"))


@postgresql_only
def test_a_rollback_notifies_nobody() -> None:
    with another_session() as other:
        listen(other)
        wakeup.told.forget()

        with rolled_back():
            enqueue()
        enqueue(state=JobState.SCHEDULED, delay=60.0)

        assert heard(other) == Counter({LATER: 1})


@postgresql_only
def test_a_session_that_ends_before_the_news_is_told_fails_nobody() -> None:
    """The commit has happened, so its caller must not believe otherwise."""
    with crew_of_test() as sessions:
        connection.close()
        with transaction.atomic():
            (mine,) = sessions.sessions
            transaction.on_commit(lambda: cut(mine))
            wakeup.told.forget()
            enqueue()
        connection.close()

    assert Job.objects.count() == 1


@postgresql_only
@pytest.mark.parametrize(("pause", "announced"), [(0.001, 1), (0.011, 4), (0.021, 100)])
def test_the_faster_jobs_follow_each_other_the_fewer_are_announced(
    pause: float, announced: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred of them, at that many seconds from each other."""
    clock = ManualClock(at("10:00"))
    monkeypatch.setattr(wakeup, "told", Told(clock))
    with another_session() as other:
        listen(other)
        for _ in range(100):
            enqueue()
            clock.advance(pause)

        assert heard(other) == Counter({READY: announced})


@told_at_once
@pytest.mark.parametrize("pause", [0.0, 0.005, 0.015, 0.019, 0.02, 0.021, 0.03])
def test_whatever_is_committed_is_there_when_news_is_heard_for_the_last_time(pause: float) -> None:
    """However many announcements are left out: somebody looks after the last commit."""
    ears = Ears()
    with ears.listener():
        eventually(lambda: told(ears))
        for _ in range(6):
            with as_another_process():
                enqueue()
                threading.Event().wait(pause)
                enqueue()
            number = Job.objects.count()
            eventually(lambda expected=number: ears.seen == expected, within=3)  # type: ignore[misc]


@told_at_once
def test_an_idle_worker_begins_what_another_process_enqueues_long_before_it_would_ask(
    crew: Crew, process: StartProcess
) -> None:
    hand = crew.start(threads=4, longest_sleep=30)
    with Listener(ALIAS, {READY: hand.worker.wake}):
        eventually(lambda: hand.patience >= 1)
        enqueue_one = "from tests.app.tasks import leave_trace; leave_trace('one')"
        other = process("shell", "--no-imports", "--command", enqueue_one)
        assert other.wait(within=60) == 0, other.output
        row = eventually(FinishedJob.objects.first)

    assert seconds_until_started(row) < 2


def test_an_idle_worker_that_nobody_tells_asks_often_enough(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {"WAKEUP": "poll"}
    hand = crew.start()
    eventually(lambda: hand.patience == 0.2)

    leave_trace("one")
    row = eventually(FinishedJob.objects.first)

    assert seconds_until_started(row) < 2


@postgresql_only
def test_a_listener_whose_session_is_cut_listens_again(crew: Crew) -> None:
    ears = Ears()
    with ears.listener():
        eventually(lambda: told(ears))
        cut(next(each for each in crew.sessions if each.alias == f"{ALIAS}:listener"))
        eventually(lambda: sum(each.alias == f"{ALIAS}:listener" for each in crew.sessions) == 2)
        ears.heard.clear()
        eventually(lambda: told(ears))

    assert not any(thread.name == "carillon-listener" for thread in threading.enumerate())


@postgresql_only
def test_who_listens_anew_looks_for_what_was_told_meanwhile(crew: Crew) -> None:
    ears = Ears()
    with ears.listener():
        eventually(lambda: ears.heard[LATER] == 2)
        cut(next(each for each in crew.sessions if each.alias == f"{ALIAS}:listener"))
        eventually(lambda: ears.heard[LATER] == 4)


@told_at_once
def test_a_listener_without_news_ends_as_soon_as_it_is_to(crew: Crew) -> None:
    with Ears().listener() as listener:
        eventually(lambda: any(each.alias == f"{ALIAS}:listener" for each in crew.sessions))

    assert not listener.thread.is_alive()


@pytest.mark.parametrize(
    ("wakeup_option", "seconds"), [("poll", 0.2), ("auto", 0.2 if connection.vendor == "mysql" else 1.0)]
)
@pytest.mark.own_session
def test_who_is_told_of_news_asks_seldom_and_who_is_not_asks_often(
    settings: Settings, wakeup_option: str, seconds: float
) -> None:
    settings.SCHEDULER = {"WAKEUP": wakeup_option}

    assert longest_wait(ALIAS) == seconds
