"""The kit for backends of TASKS: it finds nothing in ours, on any database, and finds what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import django
import pytest

from tests.backends.contenders import CONTENDERS
from tests.backends.judge import judge
from tests.databases import url_of_this_run

KEPT_BY_ALL = 150

DEVIATIONS = {
    "Immediate": {
        "the class of an error can be imported[of a class that nobody can import]",
        "a receiver that raises fails no task[task started]",
        "a receiver that raises fails no task[task finished]",
    },
    "Dummy": {
        "an argument arrives as it is told or is refused[900 lists in one another]",
        "an argument is read back as it was told or is refused[900 lists in one another]",
    },
}
"""What the two backends of Django do otherwise."""

pytestmark = pytest.mark.usefixtures("django_db_setup")


def own_database() -> str:
    here, mark, query = url_of_this_run().partition("?")
    return f"{here}_kit{mark}{query}"


def test_ours_keeps_every_promise(tmp_path: Path) -> None:
    judgement = judge(CONTENDERS["Carillon"], own_database(), tmp_path / "report", drain="schedules.testing.run_jobs")

    assert judgement.of("failed") == [], judgement.said
    assert len(judgement.of("passed")) >= KEPT_BY_ALL
    assert {found.promise.partition("[")[0] for found in judgement.of("skipped")} <= {
        "what needs a flag is refused without it",
        "a task and its result can be copied as pickle does it",  # where Django cannot
    }


def test_our_worker_keeps_what_it_is_asked_most(tmp_path: Path) -> None:
    judgement = judge(CONTENDERS["Carillon"], own_database(), tmp_path / "report", "-k", "TestDefer or TestPriority")

    assert judgement.of("failed") == [], judgement.said
    assert len(judgement.of("passed")) >= 10


@pytest.mark.once
@pytest.mark.skipif(django.VERSION < (6, 1), reason="older ones differ in more")
@pytest.mark.parametrize("name", DEVIATIONS)
def test_what_the_backends_of_django_do_otherwise_is_found(tmp_path: Path, name: str) -> None:
    judgement = judge(CONTENDERS[name], own_database(), tmp_path / "report")

    assert {found.promise for found in judgement.of("failed")} == DEVIATIONS[name], judgement.said
    assert len(judgement.of("passed")) >= 50
    assert all(found.why for found in judgement.of("skipped"))


FAULTS = {
    "a larger priority runs first",
    "a result tells its priority[100]",
    "a task does not run before its time",
    "its result tells the time that was given",
    "a queue that is gone is refused and nothing runs",
    "what the framework does not take is a type error and nothing runs[a set]",
    "that a task is enqueued is told once by the class of its backend",
    "what is no id of a result has none['none']",
    "a task is enqueued at once",
}


@pytest.mark.of_tests
@pytest.mark.once
def test_what_is_wrong_with_a_backend_is_found(tmp_path: Path) -> None:
    judgement = judge(
        CONTENDERS["Carillon"],
        own_database(),
        tmp_path / "report",
        drain="schedules.testing.run_jobs",
        CARILLON_BROKEN_BACKEND="BrokenBackend",
    )

    failed = {found.promise for found in judgement.of("failed")}
    assert FAULTS - failed == set(), judgement.said
    assert "a task that raises system exit has failed" not in failed


@pytest.mark.of_tests
@pytest.mark.once
@pytest.mark.parametrize("drain", ["never_ends", "never_ends_and_swallows_all"])
def test_a_worker_that_never_ends_fails_the_test_and_not_the_run(tmp_path: Path, drain: str) -> None:
    arguments = ["--limit", "0.5", "-k", "it_gets_its_arguments or any_queue_will_do"]

    judgement = judge(
        CONTENDERS["Carillon"], own_database(), tmp_path / "report", *arguments, drain=f"tests.backends.broken.{drain}"
    )

    (failed,) = judgement.of("failed")
    assert failed.why == "Failed: what is due had not run after 0.5 s"
    assert len(judgement.of("passed")) == 1
