"""The thread that writes the log: all of it, in order, soon; and whoever speaks never suffers from it."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.core.management.color import no_style

from tests.processes import eventually
from worker import log
from worker.log import writer
from worker.log.line import Line
from worker.log.shown import MOST_IN_ONE_PIECE, Shown

speaker = log.Speaker("worker.test_writer")
logger = logging.getLogger("worker.test_writer")


class Kept(logging.Handler):
    """Keeps the records, each when its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.gate = threading.Event()
        self.gate.set()
        self.tried = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.tried += 1
        self.gate.wait(30)
        self.records.append(record)

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept() -> Iterator[Kept]:
    """A handler of the project, the only one."""
    handler = Kept()
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    yield handler
    handler.gate.set()
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


class Stream(io.StringIO):
    """Remembers in which pieces our handler has written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.handler = Shown(self, no_style())

    def is_alone(self) -> None:
        """From now on, our handler is the only one; pytest has some of its own."""
        logger.handlers = [self.handler]

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


@pytest.fixture
def stream() -> Iterator[Stream]:
    """What our own handler writes to."""
    stream = Stream()
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LONGEST_STANDSTILL", 0.05)
    monkeypatch.setattr(writer, "MOST_LINES", 3)


def numbers(text: str) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in text.splitlines()]


def test_whatever_was_said_is_written_at_the_end_in_order(stream: Stream) -> None:
    stream.is_alone()
    with log.writing():
        for number in range(500):
            speaker.info("number %d", number)

    assert numbers(stream.getvalue()) == list(range(500))


def test_a_line_is_written_while_there_is_nothing_else_to_write(stream: Stream) -> None:
    stream.is_alone()
    with log.writing():
        speaker.info("number %d", 7)

        eventually(lambda: stream.getvalue().endswith("test_writer number 7\n"))


def test_many_lines_are_written_in_few_pieces_and_none_is_cut(stream: Stream) -> None:
    """A pipe keeps short pieces together, whoever else writes to it."""
    stream.is_alone()
    many = [Line(logging.INFO, "number %d", (number,)) for number in range(500)]

    with log.writing():
        speaker.say(many)

    assert numbers(stream.getvalue()) == list(range(500))
    assert len(stream.pieces) < 50
    assert all(piece.endswith("\n") and len(piece) <= MOST_IN_ONE_PIECE for piece in stream.pieces)


def test_a_line_longer_than_a_piece_is_written_whole(stream: Stream) -> None:
    stream.is_alone()
    with log.writing():
        speaker.info("long %s", "x" * 3 * MOST_IN_ONE_PIECE)
        speaker.info("number %d", 1)

    assert [len(line) > MOST_IN_ONE_PIECE for line in stream.getvalue().splitlines()] == [True, False]


def test_what_needs_no_record_is_shown_as_what_has_one(stream: Stream) -> None:
    stream.is_alone()
    with log.writing():
        speaker.error("failed: %s", "no", traceback="    Traceback …\n    ValueError: no")
    quickly = stream.getvalue()
    logger.addFilter(lambda record: True)  # so there is somebody else who wants to see it
    try:
        with log.writing():
            speaker.error("failed: %s", "no", traceback="    Traceback …\n    ValueError: no")
    finally:
        logger.filters.clear()

    assert quickly[8:] == " test_writer failed: no\n    Traceback …\n    ValueError: no\n"
    assert stream.getvalue()[len(quickly) + 8 :] == quickly[8:]


def test_whoever_speaks_does_not_wait_for_a_handler(kept: Kept) -> None:
    kept.gate.clear()
    with log.writing():
        for number in range(50):
            speaker.info("number %d", number)
        assert kept.messages == []
        kept.gate.set()

    assert kept.messages == [f"number {number}" for number in range(50)]


def test_a_record_bears_the_time_at_which_it_was_said(kept: Kept) -> None:
    kept.gate.clear()
    with log.writing():
        speaker.info("first")
        speaker.info("second")
        said_before = time.time()
        eventually(lambda: kept.tried == 1)
        eventually(lambda: time.time() > said_before)
        kept.gate.set()

    assert all(record.created <= said_before for record in kept.records)
    assert [record.msecs for record in kept.records] == [record.created % 1 * 1e3 // 1 for record in kept.records]


def test_a_handler_that_raises_costs_its_line_and_no_other(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse_the_second(record: logging.LogRecord) -> bool:
        if record.args == (2,):
            raise SystemExit("what watches fails")
        return True

    kept.addFilter(refuse_the_second)
    with log.writing():
        for number in (1, 2, 3):
            speaker.info("number %d", number)

    assert kept.messages == ["number 1", "number 3"]
    assert "a receiver or a log handler has failed; no job is affected" in capsys.readouterr().err


def test_a_stream_that_raises_stops_nothing(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.is_alone()

    def refuse(text: str) -> int:
        raise BrokenPipeError

    with log.writing():
        with monkeypatch.context() as patch:
            patch.setattr(stream, "write", refuse)
            speaker.info("number %d", 1)
            eventually(lambda: not writer._writer or not writer._writer._waiting)
        speaker.info("number %d", 2)

    assert numbers(stream.getvalue()) in ([2], [1, 2])


@pytest.mark.usefixtures("impatient")
def test_a_log_that_takes_nothing_costs_lines_and_says_how_many_when_it_takes_some_again(kept: Kept) -> None:
    kept.gate.clear()
    with log.writing():
        speaker.info("number %d", 0)
        eventually(lambda: kept.tried == 1)
        for number in range(1, 10):  # the first of those for which there is no room waits, and the others do not
            speaker.info("number %d", number)
        kept.gate.set()
        eventually(lambda: len(kept.records) >= 5)
        speaker.info("number %d", 10)

    missing = "6 lines of the log are missing here: for a while it took none"
    assert kept.messages == ["number 0", missing, *(f"number {number}" for number in (1, 2, 3, 10))]


@pytest.mark.usefixtures("impatient")
def test_a_log_that_takes_nothing_does_not_hold_up_the_end(kept: Kept) -> None:
    kept.gate.clear()
    with log.writing():
        speaker.info("number %d", 1)

    speaker.info("number %d", 2)  # the end goes on, and it is not to wait either

    assert kept.messages == []
    kept.gate.set()
    eventually(lambda: kept.messages == ["number 1"])


def test_a_log_that_is_only_slow_loses_nothing(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_LINES", 3)
    clock = threading.Event()
    monkeypatch.setattr(kept, "emit", lambda record: kept.records.append(record) if not clock.wait(0.01) else None)

    with log.writing():
        for number in range(20):
            speaker.info("number %d", number)

    assert kept.messages == [f"number {number}" for number in range(20)]


def test_what_a_handler_says_itself_does_not_wait_for_itself(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(record: logging.LogRecord) -> bool:
        if record.args == (1,):
            speaker.info("number %d", 2)
            speaker.info("number %d", 3)
        return True

    monkeypatch.setattr(writer, "MOST_LINES", 1)
    kept.addFilter(speak)
    with log.writing():
        speaker.info("number %d", 1)
        eventually(lambda: kept.messages == ["number 1", "number 2", "number 3"])


def test_a_fork_which_has_no_such_thread_writes_by_itself(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    with log.writing():
        monkeypatch.setattr("os.getpid", lambda: 1)
        speaker.info("number %d", 1)

        assert kept.messages == ["number 1"]
        assert kept.records[0].threadName == threading.current_thread().name
        monkeypatch.undo()


def test_many_who_speak_at_once_lose_nothing(stream: Stream) -> None:
    stream.is_alone()
    said = count()

    def speak() -> None:
        for _ in range(200):
            speaker.info("number %d", next(said))

    with log.writing():
        threads = [threading.Thread(target=speak) for _ in range(8)]
        _each(threads, threading.Thread.start)
        _each(threads, threading.Thread.join)

    assert sorted(numbers(stream.getvalue())) == list(range(1600))


def _each(threads: list[threading.Thread], do: Callable[[threading.Thread], None]) -> None:
    for thread in threads:
        do(thread)
