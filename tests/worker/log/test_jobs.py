"""What the log says of jobs: one line of one that ends in a moment, and a record that everybody's handlers can read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils.log import AdminEmailHandler

from tests.benchmarks.settings_json import Json
from tests.processes import eventually
from tests.worker.running.test_execution import NOW, job
from worker import log
from worker.log import jobs
from worker.outcomes import Error, Failed, Succeeded
from worker.telling import tell_ended, tell_started
from worker.values import Ended

SAID = "no; password=hunter2\n12:00:59 job      forged"
FAILED = Ended(
    job(), Failed(Error(5, "ValueError", SAID, f"Traceback …\nValueError: {SAID}\n", NOW)), NOW, NOW + timedelta(0.1)
)
SUCCEEDED = Ended(job(), Succeeded(), NOW, NOW)


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """At the level that people usually have."""
    with caplog.at_level(logging.INFO, "worker"):
        yield caplog


def test_a_job_that_ends_in_a_moment_has_one_line(
    heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOMENT", 3600.0)
    with log.writing():
        tell_started(job(), NOW)
        jobs.say_which_run()
        tell_ended([SUCCEEDED])

    assert heard.messages == [f"task #{job().id} succeeded in 0.00s"]


def test_of_a_job_that_runs_for_longer_it_is_said_once_while_it_runs(
    heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOMENT", 0.0)
    with log.writing():
        tell_started(job(), NOW)
        for _ in range(2):
            jobs.say_which_run()
        eventually(lambda: len(heard.messages) == 1)
        tell_ended([SUCCEEDED])

    started, ended = heard.messages
    assert started.startswith(f"task #{job().id} started 0.0")
    assert started.endswith("s after its time, and still runs")
    assert "succeeded" in ended


def test_of_a_job_that_is_over_nobody_says_that_it_runs(
    heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOMENT", 0.0)
    with log.writing():
        tell_started(job(), NOW)
        tell_ended([SUCCEEDED])
        jobs.say_which_run()

    assert len(heard.messages) == 1


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_where_each_start_is_said_or_none_is_no_job_is_watched(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    monkeypatch.setattr(jobs, "MOMENT", 0.0)
    with caplog.at_level(level, "worker"), log.writing():
        tell_started(job(), NOW)
        jobs.say_which_run()

    assert [record.levelname for record in caplog.records] == ["DEBUG"] * (level == logging.DEBUG)


def test_a_record_has_its_message_on_one_line_and_its_traceback_where_formatters_look_for_it(
    heard: pytest.LogCaptureFixture,
) -> None:
    tell_ended([FAILED])

    (record,) = heard.records
    assert (record.name, record.levelname, record.msg.count("%")) == ("worker.job", "ERROR", 7)
    assert record.args
    assert tuple(record.args)[:2] == ("task", job().id)
    assert "\n" not in record.getMessage()
    assert record.exc_text
    assert record.exc_info
    shown = logging.Formatter("%(levelname)s %(message)s").format(record)
    assert shown == f"ERROR {record.getMessage()}\n{record.exc_text}"
    for told in (shown, str(record.exc_info[1])):
        assert "hunter2" not in told
        assert [line for line in told.splitlines() if line.startswith("12:00:59")] == []


def test_a_formatter_that_writes_json_has_the_traceback_in_a_field_of_its_own(heard: pytest.LogCaptureFixture) -> None:
    tell_ended([FAILED, SUCCEEDED])

    failed, succeeded = (json.loads(Json().format(record)) for record in heard.records)
    assert failed["message"].endswith("no more attempts")
    assert failed["exception"].startswith("    Traceback …")
    assert succeeded == succeeded | {"logger": "worker.job", "level": "INFO"}
    assert "exception" not in succeeded


class Mails(AdminEmailHandler):
    """Keeps what Django would send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []

    def send_mail(self, subject: Any, message: Any, *args: Any, **kwargs: Any) -> None:
        self.sent.append((subject, message))


def test_a_mail_to_the_admins_has_a_subject_of_one_line_and_the_traceback_in_its_text() -> None:
    logger, handler = logging.getLogger("worker.job"), Mails()
    logger.addHandler(handler)
    try:
        tell_ended([FAILED])
    finally:
        logger.removeHandler(handler)

    ((subject, message),) = handler.sent
    assert subject.endswith("no more attempts")
    assert "Traceback" not in subject
    assert "Traceback …\n    ValueError: no; password=********" in message
    assert "hunter2" not in message
