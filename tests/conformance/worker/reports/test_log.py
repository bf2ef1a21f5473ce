"""What a task with `log=True` logs is kept with its job, on every database."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.core.management.base import BaseCommand

from schedules import background
from schedules.declarations import configured
from schedules.testing import run_jobs
from tests.app.tasks import gates
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import state_of
from tests.conformance.worker.reports.tasks import tell
from tests.processes import eventually
from tests.refusals import raising
from tests.schedules.recurrence.moments import at
from worker.api import get
from worker.models import JobReport
from worker.reports.log_capture import Capture
from worker.reports.log_text import DROPPED, LONGEST, MOST_BYTES, LogText

pytestmark = pytest.mark.usefixtures("database")

log = logging.getLogger("shop")
apart = logging.getLogger("shop.apart")


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """As a project sets them."""
    log.setLevel(logging.INFO)
    apart.propagate = False
    yield
    log.setLevel(logging.NOTSET)
    apart.propagate = True


class Unspeakable:
    def __str__(self) -> str:
        raise LookupError

    def mend(self, token: str) -> None:
        raise ValueError(token)


@background(log=True, max_attempts=3, backoff=[0])
def speak(*words: str, fails: bool = False) -> None:
    for each in words:
        log.info(each)
    if fails:
        raise LookupError


@background
def whisper(words: str) -> None:
    log.warning(words)


@background(log=True)
def speak_and_wait(gate: str) -> None:
    log.info("before %s", gate)
    tell(1, 2)
    gates[gate].wait(timeout=30)
    log.info("after %s", gate)


@background(log=True)
def speak_oddly() -> None:
    log.debug("not heard at this level")
    log.info("a\0b \ud800 \x1b[31m")
    log.info("token=abc %s", "x" * 10 * 2**20)
    log.info("password=hunter2 for everybody")
    apart.warning("from a logger that passes nothing on")
    try:
        Unspeakable().mend(token="token=abc")
    except ValueError:
        log.exception("it broke")


@background(log=True)
def speak_from_elsewhere() -> None:
    async def say() -> None:
        log.info("in async code")

    async_to_sync(say)()
    asyncio.run(say())
    thread = threading.Thread(target=log.info, args=("beside",))
    thread.start()
    thread.join()
    whisper.now("in a task in the task")


@background(log=True, atomic=True)
def speak_atomically() -> None:
    log.info("in the transaction")


def lines_of(id: int) -> list[str]:
    """Without the instants of lines; the head of an attempt as far as its number."""
    lines = get(id).log.splitlines()
    return [line.partition(",")[0] if line.startswith("=== ") else line.partition("Z ")[2] or line for line in lines]


def test_what_a_task_logs_is_kept_with_its_job(crew: Crew) -> None:
    job = speak("one", "two")
    crew.work_until_idle()

    assert lines_of(job.pk) == ["=== attempt 1 of 3", "INFO shop: one", "INFO shop: two"]


def test_it_is_seen_while_the_task_runs_beside_its_progress(crew: Crew) -> None:
    job = speak_and_wait("a")
    crew.start()
    eventually(lambda: get(job.pk).log and get(job.pk).progress)

    assert state_of(job.pk) == "running"
    assert lines_of(job.pk)[1:] == ["INFO shop: before a"]
    gates["a"].set()
    eventually(lambda: state_of(job.pk) == "succeeded")
    assert lines_of(job.pk)[1:] == ["INFO shop: before a", "INFO shop: after a"]
    progress = get(job.pk).progress
    assert progress is not None
    assert progress.done == 1


def test_each_attempt_has_its_part(crew: Crew) -> None:
    job = speak("again", fails=True)
    crew.work_until_idle()

    heads = [f"=== attempt {number} of 3" for number in (1, 2, 3)]
    assert lines_of(job.pk) == [line for head in heads for line in (head, "INFO shop: again")]


def test_jobs_beside_each_other_do_not_mix(crew: Crew) -> None:
    jobs = [speak(*[f"{number}"] * 5) for number in range(40)]
    quiet = whisper("nobody keeps it")
    crew.work_until_idle(threads=4)

    for number, job in enumerate(jobs):
        assert lines_of(job.pk)[1:] == [f"INFO shop: {number}"] * 5
    assert get(quiet.pk).log == ""
    assert not JobReport.objects.filter(pk=quiet.pk).exists()


def test_no_record_harms_the_job_or_the_database_and_no_secret_is_kept(crew: Crew) -> None:
    job = speak_oddly()
    crew.work_until_idle()

    assert state_of(job.pk) == "succeeded"
    text = get(job.pk).log
    told = lines_of(job.pk)[1:]
    assert told[0] == r"INFO shop: a\x00b \ud800 \x1b[31m"
    assert len(told[1]) < LONGEST + 100
    assert told[1].endswith(" characters)")
    assert told[2] == "INFO shop: password=******** for everybody"
    assert told[3] == "WARNING shop.apart: from a logger that passes nothing on"
    assert told[4] == "ERROR shop: it broke"
    assert "Traceback (most recent call last):" in told[5]
    assert "hunter2" not in text
    assert "abc" not in text


@pytest.mark.parametrize(("message", "value"), [("%s", Unspeakable()), ("%d", "no number")])
def test_a_record_that_cannot_be_formatted_says_so(message: str, value: object) -> None:
    """Pytest's own handler lets such a record fail a test, so it is handed over here."""
    grown: list[LogText] = []
    capture = Capture("1 of 1", lambda: at("10:00"), grown.append)
    capture.record(logging.makeLogRecord({"name": "shop", "levelname": "INFO", "msg": message, "args": (value,)}))

    assert "INFO shop: a record that cannot be formatted (" in grown[0].whole()


def test_other_handlers_find_a_record_as_it_was_made() -> None:
    error = LookupError("token=abc")
    record = log.makeRecord("shop", logging.ERROR, __file__, 1, "it broke", (), (LookupError, error, None))
    Capture("1 of 1", lambda: at("10:00"), lambda _: None).record(record)

    assert record.exc_text is None, "so that each formatter writes its own"


def test_a_record_that_two_handlers_hear_is_kept_once(crew: Crew) -> None:
    speak("a handler is added where nothing is passed on")
    crew.work_until_idle()
    apart.propagate = True
    job = speak_oddly()
    crew.work_until_idle()

    assert get(job.pk).log.count("from a logger that passes nothing on") == 1


@pytest.mark.parametrize("line", ["", "x", "ä" * 100, "x" * 2000], ids=len)
def test_a_text_keeps_its_bounds_whatever_its_lines_are(line: str) -> None:
    before = ""
    for attempt, records in enumerate([40, 1, 40, 0, 2]):
        text = LogText(f"{attempt} of 5, {'x' * 200}")
        text.before = before
        for _ in range(records):
            text.add("\n".join([line] * 4000)[:LONGEST])
        before = text.whole()
        assert len(before.encode()) <= MOST_BYTES
        assert before.startswith("=== attempt ")


def test_the_oldest_lines_are_dropped_and_the_text_says_so(crew: Crew) -> None:
    job = speak(*[f"{number:06} {'ä' * 100}" for number in range(2000)], fails=True)
    crew.work_until_idle()

    text = get(job.pk).log
    assert len(text.encode()) <= MOST_BYTES
    head, dropped, *_, last = lines_of(job.pk)
    assert (head, dropped) == ("=== attempt 3 of 3", DROPPED)
    assert last.startswith("INFO shop: 001999")


def test_an_earlier_attempt_that_is_cut_keeps_its_head(crew: Crew) -> None:
    job = speak(*[f"{number:06} {'x' * 100}" for number in range(300)], fails=True)
    crew.work_until_idle()

    lines = lines_of(job.pk)
    assert len(get(job.pk).log.encode()) <= MOST_BYTES
    assert lines[:2] == ["=== attempt 2 of 3", DROPPED]
    assert "=== attempt 3 of 3" in lines
    assert lines[-1].startswith("INFO shop: 000299")


def test_async_code_and_tasks_in_the_task_belong_to_it_and_a_plain_thread_does_not(crew: Crew) -> None:
    job = speak_from_elsewhere()
    crew.work_until_idle()

    assert [line for line in lines_of(job.pk)[1:] if "beside" not in line] == [
        "INFO shop: in async code",
        "INFO shop: in async code",
        "WARNING shop: in a task in the task",
    ]


def test_what_an_atomic_task_logs_is_kept(crew: Crew) -> None:
    job = speak_atomically()
    crew.work_until_idle()

    assert lines_of(job.pk)[1:] == ["INFO shop: in the transaction"]


def test_a_log_that_the_database_refuses_is_kept_in_ascii(crew: Crew) -> None:
    job = speak("ü")
    with raising("worker_jobreport", only="NEW.log LIKE '%ü'"):
        crew.work_until_idle()

    assert lines_of(job.pk)[1:] == [r"INFO shop: \xfc"]


def test_the_tools_for_tests_keep_it() -> None:
    job = speak("one")
    run_jobs()

    assert lines_of(job.pk)[1:] == ["INFO shop: one"]


class Prints(BaseCommand):
    def handle(self, *args: object, **options: object) -> None:
        self.stdout.write("one line")
        self.stderr.write("an error with password=hunter2")
        self.stdout.write("no end", ending="")


def test_what_a_management_command_prints_is_kept_and_still_printed(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(configured, "call_command", lambda name, **options: _call(Prints(), **options))
    task = background(name="prints", log=True)(_print)
    job = task()
    crew.work_until_idle()

    told = [line.partition("Z ")[2] for line in get(job.pk).log.splitlines()[1:]]
    assert told == ["one line", "an error with password=********", "no end"]
    said = capsys.readouterr()
    assert "one line" in said.out
    assert "hunter2" in said.err


class PrintsProgress(BaseCommand):
    def handle(self, *args: object, **options: object) -> None:
        for number in range(20_001):
            self.stdout.write(f"{number:,} of 20,000 photos are smaller now", ending="\r")
        self.stdout.write("")
        self.stdout.write(".\r")
        for _ in range(20_001):
            self.stdout.write(".", ending="")


def test_of_a_line_that_a_command_writes_over_the_last_is_kept_and_one_without_end_is_cut(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configured, "call_command", lambda name, **options: _call(PrintsProgress(), **options))
    job = background(name="prints", log=True)(_print)()
    crew.work_until_idle()

    told = [line.partition("Z ")[2] for line in get(job.pk).log.splitlines()[1:]]
    assert told[:2] == ["20,000 of 20,000 photos are smaller now", "."]
    assert "".join(told[2:]) == "." * 20_001
    assert max(map(len, told)) < LONGEST


def _print() -> None:
    configured.ManagementCommand("prints")()


def _call(command: BaseCommand, **options: object) -> None:
    call_command(command, **options)


def test_a_warning_that_no_handler_hears_is_still_printed(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    speak("installs the handler")
    crew.work_until_idle()
    said = io.StringIO()
    alone = logging.getLogger("alone")
    monkeypatch.setattr(alone, "propagate", False)
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(said))
    speak("hears it too")
    crew.work_until_idle()

    alone.warning("nobody has set up a log")

    assert said.getvalue() == "nobody has set up a log\n"
