"""What belongs to the whole process, while slots work and when none does. No job runs, and no database is touched."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest

from tests.conformance.worker.process.workers import heard
from tests.worker.running.test_execution import job
from worker import signals
from worker.running.surroundings import Surroundings


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], Surroundings]]:
    """Call it in the test itself: pytest has a stream of its own for each phase."""

    def begin() -> Surroundings:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.stdout", StringIO())
        return Surroundings()

    with warnings.catch_warnings():
        yield begin


def test_all_is_put_back_when_the_last_slot_rests(begin: Callable[[], Surroundings], tmp_path: Path) -> None:
    surroundings = begin()
    before = Path.cwd(), sys.stdout, warnings.filters[:]
    with heard(signals.surroundings_restored) as told:
        with surroundings:
            with surroundings:
                os.chdir("/")
                sys.stdout = StringIO()
                warnings.filterwarnings("ignore", message="of a task")
                surroundings.after_job(job())
            assert told == []
        assert (Path.cwd(), sys.stdout, warnings.filters) == before

    assert [each["what"] for each in told] == [["the working directory (/)", "sys.stdout", "warnings.filters"]]


def test_what_a_job_has_put_back_itself_is_no_news(begin: Callable[[], Surroundings]) -> None:
    surroundings = begin()
    here = Path.cwd()
    with heard(signals.surroundings_restored) as told, surroundings:
        os.chdir("/")
        os.chdir(here)
        surroundings.after_job(job())

    assert told == []


def test_no_job_is_blamed_for_what_changed_while_none_ran(begin: Callable[[], Surroundings]) -> None:
    """A module that the worker itself imports late may set filters."""
    surroundings = begin()
    warnings.filterwarnings("ignore", message="of a module")
    with heard(signals.surroundings_restored) as told, surroundings:
        surroundings.after_job(job())

    assert told == []
    assert any(each[1] is not None and each[1].pattern == "of a module" for each in warnings.filters)


def test_filters_of_modules_that_a_job_imported_stay_and_warnings_as_errors_do_not(
    begin: Callable[[], Surroundings], monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings = begin()
    with surroundings:
        monkeypatch.setitem(sys.modules, "imported_by_a_task", ModuleType("imported_by_a_task"))
        warnings.filterwarnings("ignore", message="of a module")
        warnings.filterwarnings("error", message="of a task")
        surroundings.after_job(job())

        messages = [each[1].pattern for each in warnings.filters if each[1] is not None]
    assert "of a module" in messages
    assert "of a task" not in messages


def test_a_working_directory_that_is_gone_is_left_for_that_of_the_process(
    begin: Callable[[], Surroundings], tmp_path: Path
) -> None:
    surroundings = begin()
    home, gone = Path.cwd(), tmp_path / "gone"
    with heard(signals.surroundings_restored) as told, surroundings:
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
        surroundings.after_job(job())

    assert Path.cwd() == home
    assert [each["what"] for each in told] == [["the working directory (one that is gone)"]]


def test_a_process_that_works_no_more_is_left_alone(begin: Callable[[], Surroundings]) -> None:
    surroundings = begin()
    with surroundings:
        surroundings.leave_alone()
        os.chdir("/")
        surroundings.after_job(job())

    assert Path.cwd() == Path("/")
