"""Whatever a row holds: pages, commands and log lines show it, obey nothing of it, and give no secret away.

Every text column of the models is tried, a new one too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import CharField, Model, TextField
from django.test import Client

from schedules.models import Leadership, Occurrence, Schedule
from schedules.signals import leader_lost, schedule_broken, schedule_changed
from tests.schedules.admin import admin_rows
from worker.arguments import encode
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, WorkerProcess
from worker.outcomes import Cancelled, Error, Failed, Retry
from worker.signals import database_lost, task_unknown
from worker.telling import tell_ended
from worker.values import ClaimedJob, Ended

BREAKER = """"'></textarea></script><x-evil onclick=evil()>{{ 7|add:7 }}"""
CONTROLS = "\x1b[31m\r\u202e\x9b2J\n12:00:59 forged "
SECRET = "hunter2"
SAID = f"{CONTROLS} {BREAKER} password={SECRET}"
"""What a task was given, and what it said when it failed."""
OUR_COLOURS = re.compile(r"\x1b\[[\d;]*m")
SHOWN_IN_FULL = {
    *("name", "task", "queue", "queues", "verbose_name", "creator", "declared_in", "paused_by", "worker", "leader"),
    *("lock", "cron", "repeat", "timezone", "exclude", "zone_version"),
}
"""Columns whose texts no one masks, so nothing secret has a place there."""
MODELS: list[type[Model]] = [Schedule, Occurrence, Leadership, Job, FinishedJob, WorkerProcess]


class Names(HTMLParser):
    """Of all that a browser would take for an element or an attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}


@pytest.fixture
def hostile_rows(database: None) -> None:
    """Rows that are hostile in every text, and some that cannot be read."""
    now = database_now(admin_rows.ALIAS)
    schedule = admin_rows.schedule("hostile", repeat=60)
    for row in (
        Occurrence.objects.create(schedule=schedule, scheduled_for=now, outcome="missed", recorded_at=now),
        Leadership.objects.create(started_at=now, renewed_at=now),
        WorkerProcess.objects.create(slots=1, started_at=now, heartbeat_at=now),
        admin_rows.job(schedule_id=schedule.pk, attempts=1),
        admin_rows.finished(900_001, schedule_id=schedule.pk),
        admin_rows.finished(900_002, FinishedState.FAILED, schedule_id=schedule.pk),
    ):
        _fill(row)
    _fill(admin_rows.job(), arguments=f'["{SECRET}"')
    _fill(schedule, name="hostile", broken="", cron="", repeat="60", timezone="UTC", exclude="")
    _fill(admin_rows.schedule("unreadable", repeat=60), name="unreadable", arguments=f"[{SAID}", exclude=BREAKER)
    _fill(admin_rows.schedule("paused", repeat=60), name="paused", broken="", paused_at=now)
    named = admin_rows.schedule("named", repeat=60)
    Occurrence.objects.create(schedule=named, scheduled_for=now, outcome="missed", recorded_at=now, reason=SAID)
    _fill(named, paused_at=now)


@pytest.mark.usefixtures("hostile_rows")
def test_every_page_shows_texts_as_texts_and_no_secret(admin_client: Client) -> None:
    for page in _pages():
        answer = admin_client.get(page)
        text = answer.content.decode()
        assert answer.status_code == 200, page
        assert not Names(text).found & {"x-evil", "onclick"}, page
        assert SECRET not in text, page
        assert "&lt;x-evil" in text or "/history/" in page, page


@pytest.mark.usefixtures("hostile_rows")
def test_a_page_shows_controls_in_arguments_and_errors_as_escapes(admin_client: Client) -> None:
    job = Job.objects.earliest("pk")
    Job.objects.filter(pk=job.pk).update(task="t", queue="q", verbose_name="", creator="", schedule_id=None)

    text = admin_client.get(f"/admin/worker/job/{job.pk}/change/").content.decode()

    assert text.count("\\u202e") > 3
    assert [line for line in text.splitlines() if {"\x1b", "\u202e", "\x9b"} & set(line)] == []


@pytest.mark.usefixtures("hostile_rows")
@pytest.mark.parametrize(
    "command",
    [
        "list_schedule",
        "list_schedule --next 2 --force-color",
        "list_schedule --check",
        "list_schedule --json",
        "list_schedule hostile unreadable paused --force-color",
        "list_schedule hostile paused --json",
        "list_schedule CONTROLS",
        "list_schedule --cron CONTROLS",
        "list_schedule --queue CONTROLS",
        "scheduler_doctor",
        "scheduler_doctor --json",
        "scheduler_doctor --database CONTROLS",
        "process_tasks --queue CONTROLS",
    ],
)
def test_no_command_writes_a_secret_or_what_a_terminal_would_obey(command: str) -> None:
    written = StringIO()

    with suppress(SystemExit):
        try:
            call_command(*(each.replace("CONTROLS", CONTROLS) for each in command.split()), stdout=written)
        except CommandError as refusal:
            written.write(str(refusal))

    text = OUR_COLOURS.sub("", written.getvalue()) if "--force-color" in command else written.getvalue()
    assert text
    assert SECRET not in text
    assert [line for line in text.split("\n") if not line.isprintable() or line.startswith("12:00:59")] == []


def test_no_line_of_the_log_is_forged_or_tells_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    now = datetime(2026, 7, 1, tzinfo=UTC)
    job = ClaimedJob(7, 1, "shop.tasks.report", "[[],{}]", 0, 3, "", now, None, None, None, 0, 0, "default", now)
    error = Error(1, "ValueError", SAID, f"Traceback …\nValueError: {SAID}\n", now)

    with caplog.at_level(logging.DEBUG, "worker"), caplog.at_level(logging.DEBUG, "schedules"):
        for outcome in (Retry(error, 1.0), Failed(error), Cancelled(SAID)):
            tell_ended([Ended(job, outcome, now, now)])
        task_unknown.send(None, task=SAID)
        database_lost.send(None, name="web:1", error=ValueError(SAID), retry_in=1.0)
        schedule_broken.send(None, name=SAID, reason=SAID)
        schedule_changed.send(None, name=SAID, change="paused")
        leader_lost.send(None, leader="web:1", term=1, error=ValueError(SAID))

    assert len(caplog.messages) == 8
    assert SECRET not in caplog.text
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        first, *others = logging.Formatter().format(record).split("\n")
        assert "forged" in "".join((first, *others))
        assert all(line.isprintable() for line in (first, *others))
        assert all(line.startswith("    ") for line in others)


def _fill(row: Any, **columns: Any) -> None:
    """Make all texts of the row hostile, but for these columns and those whose values are chosen."""
    texts = [field for field in row._meta.concrete_fields if isinstance(field, (CharField, TextField))]
    error = Error(1, f"{SAID}", SAID, f"Traceback …\n  x\nValueError: {SAID}", database_now(admin_rows.ALIAS))
    said = {
        "arguments": encode([SAID], {f"{CONTROLS}{BREAKER}": {BREAKER: [SAID]}, "api_key": SECRET}),
        "errors": f"{error.as_line()}\n",
        **dict.fromkeys(SHOWN_IN_FULL, f"{CONTROLS}{BREAKER}"),
    }
    values = {
        field.name: said.get(field.name, SAID)[: field.max_length]
        for field in texts
        if not field.choices and field.name != "identity"
    }
    type(row)._default_manager.filter(pk=row.pk).update(**values | columns)


def _pages() -> Iterator[str]:
    for model in MODELS:
        listed = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield listed
        for key in model._default_manager.values_list("pk", flat=True):
            yield f"{listed}{key}/change/"
            yield f"{listed}{key}/history/"
    yield f"/admin/schedules/schedule/{Schedule.objects.latest('pk').pk}/delete/"
