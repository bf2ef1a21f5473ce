"""A file of SQLite that is deleted, moved or replaced under those who have it open: they notice, say so and go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections, transaction

from schedules.models import Leadership
from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import ALIAS
from tests.databases import PREFIX, VARIABLE
from tests.processes import StartProcess, eventually
from worker import signals
from worker.models import FinishedJob, WorkerProcess
from worker.sessions import file as file_of_sqlite
from worker.sessions.connection import private_connection
from worker.wakeup import READY, file_watch
from worker.wakeup.listening import Listener

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on("sqlite")]


@pytest.fixture
def file(tmp_path: Path, database: None) -> Iterator[Path]:
    """The database of this test, which has our tables. `spare` is one more."""
    file = tmp_path / f"{PREFIX}.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(file)])
    shutil.copy(file, spare(file))
    connection.close()
    with pytest.MonkeyPatch.context() as until_the_end:
        until_the_end.setitem(connections.settings[ALIAS], "NAME", str(file))
        yield file
        connection.close()


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_of_sqlite, "LOOK_EVERY", 0.0)


def spare(file: Path) -> Path:
    return file.with_name("spare.sqlite3")


def delete(file: Path) -> None:
    file.unlink()


def move(file: Path) -> None:
    file.rename(file.with_name("elsewhere.sqlite3"))


def replace(file: Path) -> None:
    """As when a backup, or a new database, is moved to its place."""
    connection.close()
    for beside in ("-wal", "-shm"):
        file.with_name(file.name + beside).unlink(missing_ok=True)
    spare(file).replace(file)


@contextmanager
def session(*, writes: bool) -> Iterator[Callable[[], object]]:
    """A private one, and what it does: read or write."""
    with private_connection(ALIAS, "session") as using:
        yield Effect.objects.using(using).create if writes else Effect.objects.using(using).exists


each_way_to_go = pytest.mark.parametrize("go", [delete, move, replace])


@each_way_to_go
@pytest.mark.parametrize("writes", [True, False], ids=["write", "read"])
def test_a_session_ends_when_the_file_is_looked_at(file: Path, go: Callable[[Path], None], writes: bool) -> None:
    with session(writes=writes) as act:
        act()

        go(file)

        with pytest.raises(OperationalError, match=f'"{file}" was deleted, moved or replaced'):
            act()


def test_what_a_transaction_had_begun_is_undone(file: Path) -> None:
    def write_around(using: str) -> None:
        with transaction.atomic(using=using):
            Effect.objects.using(using).create(key="lost")
            move(file)
            Effect.objects.using(using).create(key="lost too")

    with private_connection(ALIAS, "session") as using, pytest.raises(OperationalError):
        write_around(using)

    file.with_name("elsewhere.sqlite3").rename(file)
    assert not Effect.objects.exists()


def test_it_is_looked_at_now_and_then_and_what_is_gone_stays_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_of_sqlite, "LOOK_EVERY", 0.05)
    there = file_of_sqlite.File(file)

    delete(file)

    eventually(lambda: not there.is_in_its_place())
    replace(file)
    assert not there.is_in_its_place()


def test_where_there_is_no_file_no_session_makes_one(file: Path) -> None:
    delete(file)

    with pytest.raises(OperationalError, match=f'"{file}" is not there'), session(writes=False):
        pass

    assert not file.exists()


def test_another_name_of_the_same_file_is_no_other_file(file: Path) -> None:
    with session(writes=True) as act:
        move(file)
        file.symlink_to(file.with_name("elsewhere.sqlite3"))

        act()


@each_way_to_go
@pytest.mark.parametrize("told_by_the_system", [True, False], ids=["inotify", "polling"])
def test_a_listener_says_so_and_listens_to_what_comes_in_its_place(
    file: Path, go: Callable[[Path], None], told_by_the_system: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not told_by_the_system:
        monkeypatch.setattr(file_watch, "_inotify", lambda _: None)
    losses_before_news: list[int] = []
    with (
        heard(signals.database_lost) as lost,
        Listener(ALIAS, {READY: lambda: losses_before_news.append(len(lost))}),
    ):
        eventually(lambda: losses_before_news)

        go(file)

        eventually(lambda: [each["name"] for each in lost if "was deleted, moved or replaced" in str(each["error"])])
        if go is not replace:
            replace(file)
        eventually(lambda: any(losses_before_news))


@pytest.mark.parametrize("lives_for", [0, None], ids=["connections for a job", "persistent connections"])
def test_a_worker_goes_on_with_the_file_that_is_in_its_place_and_so_do_its_slots(
    file: Path, crew: Crew, lives_for: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings[ALIAS], "CONN_MAX_AGE", lives_for)
    hand = crew.start(threads=1)
    leave_trace("before")
    eventually(FinishedJob.objects.exists)

    with heard(signals.database_lost) as lost:
        replace(file)
        eventually(lambda: lost)
    assert "was deleted, moved or replaced" in str(lost[0]["error"])
    job = leave_trace("after")
    hand.worker.wake()

    eventually(FinishedJob.objects.filter(pk=job.pk, state="succeeded", attempts=1).exists)
    assert list(Effect.objects.values_list("key", flat=True)) == ["after"]


def test_a_worker_and_leader_wait_for_a_file_that_is_gone_and_say_so(file: Path, process: StartProcess) -> None:
    working = process("process_tasks", "--leader", environment={VARIABLE: f"sqlite:///{file}"})
    eventually(lambda: "elected, term" in working.output and WorkerProcess.objects.exists(), within=30)
    connection.close()

    move(file)

    for lost in ("lost the database", "lost the lead"):
        eventually(lambda words=lost: _said_of_the_file(working.output, words))  # type: ignore[misc]
    eventually(lambda: f'"{file}" is not there' in working.output)
    file.with_name("elsewhere.sqlite3").rename(file)
    eventually(lambda: Leadership.objects.count() > 1)
    job = leave_trace("after")
    eventually(FinishedJob.objects.filter(pk=job.pk, state="succeeded").exists)


def _said_of_the_file(output: str, words: str) -> bool:
    return any(words in line and "was deleted, moved or replaced" in line for line in output.splitlines())
