"""`list_schedule` as people and monitors see it: in a pipe, on a terminal, as JSON, as a verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from schedules import changes
from schedules.management.commands import list_schedule
from schedules.models import Leadership, Schedule
from tests.conformance.model.virtual import ALIAS, VirtualClock, finish, start_jobs
from tests.conformance.worker.reports.written import started, tell
from tests.processes import StartProcess
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.models import JobState, WorkerProcess
from worker.outcomes import Error, Failed
from worker.values import Ended, NewJob

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "commands.md"
COLOUR = re.compile(r"\x1b\[[\d;]*m")


class Terminal(TextIOWrapper):
    """Takes what is written as a terminal of that encoding would."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.bytes = BytesIO()
        super().__init__(self.bytes, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return self.bytes.getvalue().decode(self.encoding)


@pytest.fixture
def clock(database: None, monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    clock = VirtualClock()
    monkeypatch.setattr(list_schedule, "database_now", lambda using: clock.now())
    return clock


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def listed(*arguments: str) -> list[str]:
    """The lines that it writes into a pipe."""
    out = StringIO()
    call_command("list_schedule", *arguments, stdout=out)
    return out.getvalue().splitlines()


def shown(terminal: Terminal, *arguments: str) -> str:
    call_command("list_schedule", *arguments, stdout=terminal)
    return terminal.text


def as_json(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("\n".join(listed(*arguments, "--json")))
    return found


def checked(*arguments: str) -> tuple[int, list[str]]:
    """The exit code, and what it writes."""
    out = StringIO()
    try:
        call_command("list_schedule", "--check", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def names(lines: list[str]) -> list[str]:
    """The column SCHEDULE of a list."""
    start = lines[0].index("SCHEDULE")
    return [line[start:].split()[0] for line in lines[1 : lines.index("")]]


def healthy(clock: VirtualClock) -> None:
    """Somebody leads and somebody works."""
    Leadership.objects.create(leader="web-1:7", lock="session", started_at=clock.now(), renewed_at=clock.now())
    WorkerProcess.objects.create(name="w:1", slots=1, started_at=clock.now(), heartbeat_at=clock.now())


def fail_jobs(clock: VirtualClock) -> None:
    error = Error(1, "TimeoutError", "upstream took too long", "Traceback …", clock.now())
    queue.ack(ALIAS, [Ended(job, Failed(error), clock.now(), clock.now()) for job in start_jobs()])


def delayed(clock: VirtualClock, **given: Any) -> int:
    columns = {"queue": "default", "run_at": at("10:30"), **given}
    id, _ = queue.enqueue(
        NewJob("report", "[[],{}]", priority=0, max_attempts=1, state=JobState.SCHEDULED, **columns), ALIAS
    )
    return id


# The list


def test_schedules_are_listed_by_their_next_run(clock: VirtualClock) -> None:
    clock.declared("yearly", cron="0 0 1 1 *")
    clock.declared("hourly", cron="0 * * * *")
    clock.declared("paused", cron="* * * * *")
    clock.declared("minutely", cron="* * * * *")
    changes.pause(Schedule.objects.get(name="paused"), ALIAS, clock.now(), reason="vendor outage", by="admin")
    healthy(clock)

    lines = listed()

    assert lines[:5] == [
        "NEXT              LEFT    LAST  PASSED  RESULT  SCHEDULE  WHEN",
        "10:01             1m      -     -       -       minutely  Every minute",
        "11:00             1h      -     -       -       hourly    Every hour",
        "1 Jan 2027 00:00  183d    -     -       -       yearly    Every year on 1 January at 00:00",
        "-                 paused  -     -       -       paused    Every minute - vendor outage (admin)",
    ]
    assert lines[6:] == ["4 schedules, 1 paused. Times in UTC unless marked. Leader web-1:7, renewed 0s ago."]


def test_the_last_run_is_told_in_words_in_a_pipe(clock: VirtualClock) -> None:
    clock.declared("good", cron="0 * * * *")
    clock.tick("11:00")
    finish(start_jobs(), clock.now())
    clock.declared("bad", cron="0 * * * *")
    clock.tick("12:00")
    fail_jobs(clock)
    healthy(clock)
    clock.to("12:10")
    healthy(clock)

    lines = listed()

    assert lines[1] == "13:00  50m   12:00  10m ago  failed TimeoutError  bad       Every hour"
    assert lines[2] == "13:00  50m   12:00  10m ago  failed TimeoutError  good      Every hour"
    assert "2 failing" in lines[4]


def test_a_run_that_nobody_has_decided_on_is_due_and_then_late(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")

    clock.to("11:00:30")
    due = listed()
    clock.to("11:05")
    late = listed()

    assert due[1].split()[:2] == ["11:00", "due"]
    assert late[1].split()[:3] == ["11:00", "late", "5m"]


def test_broken_ended_and_retired_schedules_say_so(clock: VirtualClock) -> None:
    for name in ("broken", "ended", "retired"):
        clock.declared(name, cron="0 * * * *")
    Schedule.objects.filter(name="broken").update(broken="ValueError: no\nsuch thing", next_run_at=None)
    Schedule.objects.filter(name="ended").update(next_run_at=None, repeat_until=at("09:00"))
    Schedule.objects.filter(name="retired").update(next_run_at=None, retired_at=at("09:00"))

    lines = listed()

    assert [line.split()[1] for line in lines[1:4]] == ["broken", "ended", "retired"]
    assert lines[1].endswith("Every hour - ValueError: no such thing")


def test_a_schedule_in_another_zone_shows_its_own_time_marked_with_the_city(clock: VirtualClock) -> None:
    clock.declared(cron="0 7 * * *", timezone="Europe/Riga")

    assert listed()[1].startswith("07:00 (Riga)  18h")
    assert listed("--utc")[1].startswith("04:00  18h")
    assert listed("--timezone", "America/New_York")[1].startswith("00:00  18h")


def test_an_interval_has_no_zone_of_its_own(clock: VirtualClock) -> None:
    clock.declared(repeat=3600, timezone="Europe/Riga")

    assert listed()[1].startswith("11:00  1h")


def test_more_runs_of_each_stand_below_the_first(clock: VirtualClock) -> None:
    clock.set(at("2026-03-28 12:00"))
    clock.declared(cron="30 2 * * *", timezone="Europe/Paris")

    lines = listed("--next", "3", "--timezone", "Europe/Paris")

    assert [line.split("  ")[0] for line in lines[1:4]] == ["03:00", "Mon 02:30", "Tue 02:30"]
    assert lines[1].endswith("Every day at 02:30 (Europe/Paris) - 02:30 is skipped: runs as the clock moves forward")


def test_the_next_delayed_jobs_stand_below_the_schedules(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    id = delayed(clock, verbose_name="Welcome", queue="mail")

    lines = listed()

    assert [line.split() for line in lines[3:5]] == [
        ["NEXT", "LEFT", "ATTEMPTS", "QUEUE", "JOB", "TASK"],
        ["10:30", "30m", "-", "mail", f"#{id}", "Welcome"],
    ]


@pytest.mark.parametrize("columns", [60, 80])
def test_below_jobs_that_are_due_and_cannot_run_stands_why_once(
    clock: VirtualClock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    id = delayed(clock, run_at=at("09:30"), queue="mail")
    delayed(clock, run_at=at("09:40"), queue="mail")
    delayed(clock)

    lines = COLOUR.sub("", shown(terminal)).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("NEXT"))
    row, same, *why, next_row = lines[head + 1 : head + 5]

    assert f"#{id}" in row
    assert "stuck" in row
    assert "stuck" in same
    assert why == ["  ! No worker is alive."]
    assert "10:30" in next_row
    assert max(map(len, (row, *why))) <= columns


def test_nothing_declared_and_nothing_found_are_told_apart(clock: VirtualClock) -> None:
    assert listed()[0].startswith("No schedules yet. Declare one")

    clock.declared(repeat=60)

    assert listed("--paused")[0] == "Nothing matches."


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--queue", "mail"], ["mailed"]),
        (["--paused"], ["paused"]),
        (["--failing"], ["broken"]),
        (["--within", "90m"], ["hourly", "mailed"]),
        (["--within", "3d"], ["hourly", "mailed", "daily"]),
        (["--within", "90m", "--queue", "mail"], ["mailed"]),
    ],
)
def test_filters_leave_what_is_asked_for(clock: VirtualClock, arguments: list[str], expected: list[str]) -> None:
    clock.declared("hourly", cron="0 * * * *")
    clock.declared("mailed", cron="0 * * * *", queue="mail")
    clock.declared("daily", cron="0 0 * * *")
    clock.declared("broken", cron="0 * * * *")
    changes.pause(clock.declared("paused", cron="0 * * * *"), ALIAS, clock.now(), reason="")
    Schedule.objects.filter(name="broken").update(broken="no", next_run_at=None)

    assert names(listed(*arguments)) == expected


def test_filters_hold_for_delayed_jobs_too(clock: VirtualClock) -> None:
    delayed(clock, queue="mail")
    delayed(clock, queue="slow", run_at=at("15:00"))

    def queues(*arguments: str) -> list[str]:
        return [job["queue"] for job in as_json(*arguments)["jobs"]]

    assert queues() == ["mail", "slow"]
    assert queues("--queue", "slow") == ["slow"]
    assert queues("--within", "1h") == ["mail"]
    assert queues("--paused") == []


# Before anything runs


def test_declarations_are_listed_before_the_first_sync(clock: VirtualClock, settings: Settings) -> None:
    settings.SCHEDULES = {"nightly": {"task": "manage:check", "cron": "30 2 * * *"}}

    lines = listed("--next", "2")

    assert lines[1] == "02:30      16h 30m  -     -       -       nightly   Every day at 02:30"
    assert lines[2] == "Fri 02:30  1d 16h"
    assert not Schedule.objects.exists()


@pytest.mark.once
def test_declarations_are_listed_and_the_tables_missed_before_migrate(process: StartProcess, tmp_path: Path) -> None:
    environment = {
        "CARILLON_TEST_DATABASE": f"sqlite:///{tmp_path}/carillon_test_empty.sqlite3",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }

    listing = process("list_schedule", environment=environment)
    assert listing.wait(within=30) == 0
    assert 'The tables are missing in database "default". Run manage.py migrate' in listing.output
    assert "Traceback" not in listing.output

    # Only now: of two processes that turn a new file to a write-ahead log at once, SQLite refuses one.
    check = process("list_schedule", "--check", environment=environment)
    assert check.wait(within=30) == 1
    assert "not-migrated: " in check.output


# On a terminal


def test_a_terminal_gets_glyphs_and_colours(clock: VirtualClock, terminal: Terminal) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    fail_jobs(clock)

    text = shown(terminal)

    assert "\x1b[31m✕ TimeoutError\x1b[0m" in text


@pytest.mark.parametrize("how", ["NO_COLOR", "--no-color"])
def test_colours_can_be_declined(
    clock: VirtualClock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    fail_jobs(clock)
    if how == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")

    text = shown(terminal, *([how] if how.startswith("--") else []))

    assert "✕ TimeoutError" in text
    assert "\x1b" not in text


def test_a_terminal_that_has_no_glyphs_gets_words(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    clock.declared("Prüfung", cron="0 * * * *")
    clock.tick("11:00")
    fail_jobs(clock)

    text = shown(Terminal("ascii"))

    assert "failed TimeoutError" in text
    assert "Pr?fung" in text


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_list_is_no_wider_than_the_terminal(
    clock: VirtualClock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    clock.declared(
        "reports.of-all-departments.and-their-subsidiaries", cron="30 2 1,15 1-6 mon-fri", timezone="Asia/Tokyo"
    )
    clock.declared("漢字の名前がとても長いスケジュール", cron="0 * * * *")
    healthy(clock)

    lines = COLOUR.sub("", shown(terminal)).splitlines()

    wide = [len(line) + len(re.findall(r"[\u3040-\u9fff]", line)) for line in lines[:3]]
    assert max(wide) <= columns
    assert ("…" in "".join(lines[:3])) == (columns < 200)


LONG = "shop.reports.tasks.nightly_report_of_all_departments"


def crowded(clock: VirtualClock) -> None:
    """Long names and reasons, far dates in another zone, notes beside them, and something wrong."""
    clock.declared(LONG, cron="0 */12 1,15 1-6 mon-fri", timezone="America/Argentina/Buenos_Aires", args=["long " * 30])
    clock.declared("stopped", cron="30 2 * * *", timezone="Europe/Paris", catch_up="latest")
    clock.declared("minutely", repeat=60)
    clock.tick("11:00")
    fail_jobs(clock)
    clock.to("12:05")
    clock.tick("12:05")
    changes.pause(Schedule.objects.get(name="stopped"), ALIAS, clock.now(), reason="vendor outage " * 9, by="admin")
    delayed(clock, queue="a-queue-with-a-long-name", run_at=at("2027-06-30 10:30"))
    delayed(clock, run_at=at("2027-06-30 10:30"))
    healthy(clock)


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--next", "3"],
        [LONG, "stopped", "minutely"],
        ["--cron", "30 2 1,15 1-6 mon-fri", "--timezone", "Europe/Paris", "--after", "2026-03-01"],
        ["--cron", "30 2 * * *", "--timezone", "America/Argentina/Buenos_Aires"],
        ["--check"],
    ],
)
def test_nothing_is_wider_than_a_narrow_terminal_and_every_head_is_whole(
    clock: VirtualClock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: int, arguments: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    crowded(clock)

    with suppress(SystemExit):
        shown(terminal, *arguments)

    lines = COLOUR.sub("", terminal.text).splitlines()
    assert [line for line in lines if len(line) > columns] == []
    heads = [line for line in lines if line.split()[:1] in (["NEXT"], ["SCHEDULED"])]
    assert all("…" not in line for line in heads)
    assert bool(heads) == ("--cron" not in arguments and "--check" not in arguments)


def test_a_narrow_list_keeps_what_runs_next_and_the_end_of_its_name(
    clock: VirtualClock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    crowded(clock)

    lines = COLOUR.sub("", shown(terminal)).splitlines()

    assert {"NEXT", "LEFT", "RESULT", "SCHEDULE"} <= set(lines[0].split())
    assert any("…" in line and "departments" in line for line in lines)


def test_instants_that_share_a_line_are_told_as_a_range_with_their_number(
    clock: VirtualClock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    clock.declared("minutely", repeat=60)
    clock.tick("11:54")
    clock.tick("12:59")

    text = shown(terminal, "minutely")

    assert "11:55–12:58 (64)" in text


def test_a_name_cannot_command_the_terminal(clock: VirtualClock, terminal: Terminal) -> None:
    clock.declared(cron="0 * * * *")
    Schedule.objects.update(broken="\x1b[2Jgone\x07", next_run_at=None)

    text = COLOUR.sub("", shown(terminal))

    assert r"\x1b[2Jgone\x07" in text
    assert "\x1b" not in text


# One schedule


def test_a_name_shows_the_schedule_in_detail(clock: VirtualClock) -> None:
    schedule = clock.declared("nightly", cron="30 2 * * *", timezone="Europe/Paris", args=["eu"], queue="mail")
    clock.tick("07-02 01:00")
    fail_jobs(clock)
    clock.tick("07-05 03:00")
    changes.pause(schedule, ALIAS, clock.now(), reason="vendor outage", by="admin")
    changes.resume(schedule, ALIAS, clock.now())

    text = "\n".join(listed("nightly"))

    assert "Every day at 02:30 (Europe/Paris)" in text
    assert "30 2 * * * in Europe/Paris" in text
    assert 'report, arguments [["eu"],{}]' in text
    assert text.count("02:30:00 +02:00   in ") == 6
    assert re.search(r"Thu 02:30 +failed TimeoutError +#\d+ +TimeoutError: upstream", text)
    assert re.search(r"Fri 02:30-Sat 02:30 \(2\) +coalesced +- +\w", text)


def test_a_run_by_hand_says_so(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 0 * * *")
    changes.run_now(schedule, ALIAS, clock.now(), by="admin")

    assert "by admin" in listed("s")[-1]


def test_details_know_what_is_not_in_the_database_yet(clock: VirtualClock, settings: Settings) -> None:
    settings.SCHEDULES = {"nightly": {"task": "manage:check", "cron": "30 2 * * *"}}

    text = "\n".join(listed("nightly", "--next", "2"))

    assert "not yet in the database" in text
    assert text.count("02:30:00 +00:00") == 2
    assert text.endswith("None yet.")


def test_an_unknown_name_is_refused_with_the_nearest(clock: VirtualClock) -> None:
    clock.declared("nightly-report", repeat=60)

    with pytest.raises(CommandError, match=r'"nightly-reprot"\. Did you mean "nightly-report"'):
        listed("nightly-reprot")


@pytest.mark.parametrize("flags", [[], ["--check"], ["--json"]], ids=["details", "check", "json"])
def test_the_last_part_of_a_name_will_do_where_it_is_of_one_schedule_only(
    clock: VirtualClock, settings: Settings, flags: list[str]
) -> None:
    settings.SCHEDULES = {"shop.tasks.declared": {"task": "manage:check", "cron": "30 2 * * *"}}
    for name in (
        "shop.tasks.report",
        "shop.tasks.my_report",
        "shop.tasks.REPORT",
        "shop.tasks.mail",
        "news.tasks.mail",
    ):
        clock.declared(name, repeat=60)
    healthy(clock)

    def found(name: str) -> str:
        out = StringIO()
        with suppress(SystemExit):
            call_command("list_schedule", *flags, name, stdout=out)
        return out.getvalue()

    assert found("report") == found("shop.tasks.report")
    assert found("tasks.report") == found("shop.tasks.report")
    assert found("declared") == found("shop.tasks.declared")
    with pytest.raises(CommandError) as fault:
        found("tasks.mail")
    assert str(fault.value) == (
        '"tasks.mail" is the last part of several names: "news.tasks.mail", "shop.tasks.mail". Give one of them whole.'
    )
    with pytest.raises(CommandError, match="There is no schedule"):
        found("eport")


def test_a_whole_name_is_never_taken_for_the_last_part_of_another(clock: VirtualClock) -> None:
    for name in ("mail", "shop.tasks.mail", "news.tasks.mail"):
        clock.declared(name, repeat=60)

    assert [each["name"] for each in as_json("mail")["schedules"]] == ["mail"]


def test_a_preview_draws_h_from_the_name_that_is_given() -> None:
    found = as_json("--cron", "H H * * *", "--name", "nightly-report")
    assert {run["at"][11:16] for run in found["upcoming"]} == {"00:36"}


def test_errors_go_to_stderr_with_an_exit_code(process: StartProcess) -> None:
    refused = process("list_schedule", "nobody")

    assert refused.wait(within=30) == 1
    assert refused.output == (
        'CommandError: There is no schedule "nobody". Without a name, list_schedule shows all there are.\n'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--next", "0"],
        ["--next", "many"],
        ["--next", "1001"],
        ["--within", "soon"],
        ["--timezone", "Europe/Pari"],
        ["--timezone", "UTC", "--utc"],
        ["--after", "2026-01-01"],
        ["--cron", "75 * * * *"],
        ["--cron", "0 0 31 2 *"],
        ["--cron", "* * * * *", "--after", "yesterday"],
        ["--cron", "* * * * *", "--after", "2026-01-01T10:00"],
        ["--cron", "* * * * *", "--check"],
        ["--name", "nightly"],
        ["--cron", "* * * * *", "name"],
    ],
)
def test_what_makes_no_sense_is_refused(clock: VirtualClock, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        listed(*arguments)


# JSON


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--check", "--next", "3"], "--next does nothing beside --check, which hides no problem and shows no times."),
        (["--check", "--paused", "--within", "3h"], "--within and --paused do nothing beside --check"),
        (["--check", "--failing"], "--failing does nothing beside --check"),
        (["--check", "--utc"], "--timezone does nothing beside --check"),
        (["--json", "--timezone", "Europe/Riga"], "--timezone does nothing beside --json, which writes UTC."),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused(clock: VirtualClock, arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError) as fault:
        listed(*arguments)

    assert told in str(fault.value)
    assert str(fault.value).endswith("Leave out one or the other.")


def test_json_may_be_asked_for_in_utc_which_it_is_in(clock: VirtualClock) -> None:
    assert as_json("--utc")["now"].endswith("Z")


def test_the_json_object_has_the_documented_fields_and_no_others(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    fail_jobs(clock)
    changes.pause(schedule, ALIAS, clock.now(), reason="vendor outage", by="admin", until=at("12:00"))
    delayed(clock)
    healthy(clock)
    Schedule.objects.update(broken="no")

    with_history = as_json("s")
    tell(started(), 40, 120)
    everything = as_json() | {"schedules": with_history["schedules"]}

    assert set(_paths(everything)) == set(_documented("### `--json`", "With `--cron`"))


def test_the_json_preview_has_the_documented_fields_and_no_others() -> None:
    found = as_json("--cron", "30 2 * * *")

    assert set(_paths(found)) - {"upcoming"} == set(_documented("With `--cron` the object", "## `scheduler_doctor`"))


def test_instants_are_in_utc_and_what_is_absent_is_null(clock: VirtualClock) -> None:
    clock.declared(cron="0 7 * * *", timezone="Europe/Riga")

    found = as_json("--next", "2")

    (schedule,) = found["schedules"]
    assert found["version"] == 1
    assert found["now"] == "2026-07-01T10:00:00Z"
    assert found["leader"] is None
    assert schedule["next_run_at"] == "2026-07-02T04:00:00Z"
    assert schedule["upcoming"] == ["2026-07-02T04:00:00Z", "2026-07-03T04:00:00Z"]
    assert (schedule["recurrence"], schedule["timezone"]) == ("0 7 * * *", "Europe/Riga")
    assert schedule["paused"] is False
    nothing = ("last_run_at", "last_outcome", "last_duration", "last_reason", "pause", "broken", "declared_in")
    assert [schedule[field] for field in nothing] == [None] * len(nothing)


def test_json_tells_the_last_run_the_pause_and_the_history(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    fail_jobs(clock)
    changes.pause(schedule, ALIAS, clock.now(), reason="vendor outage", by="admin")

    (found,) = as_json("s")["schedules"]

    assert found["last_run_at"] == "2026-07-01T11:00:00Z"
    assert (found["last_outcome"], found["last_duration"]) == ("failed", 0.0)
    assert found["paused"] is True
    assert found["pause"] == {
        "since": "2026-07-01T11:00:00Z",
        "until": None,
        "reason": "vendor outage",
        "by": "admin",
    }
    assert [line["outcome"] for line in found["history"]] == ["failed"]


# The verdict


def test_the_verdict_is_one_line_where_all_is_well(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    healthy(clock)

    assert checked() == (0, ["OK: 1 schedule, leader web-1:7, next run in 1h (s)."])


def test_the_verdict_names_each_reason(clock: VirtualClock) -> None:
    clock.declared("broken", cron="0 * * * *")
    Schedule.objects.update(broken="ValueError: no", next_run_at=None)
    clock.declared("late", cron="0 * * * *")
    clock.to("11:05")

    code, lines = checked()

    assert code == 1
    assert [line.partition(":")[0] for line in lines] == ["no-leader", "broken", "late"]


def test_the_verdict_can_be_had_as_json(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")

    code, lines = checked("--json")

    assert code == 1
    assert [problem["code"] for problem in json.loads("\n".join(lines))["problems"]] == ["no-leader"]


def test_names_and_queues_narrow_the_verdict(clock: VirtualClock) -> None:
    clock.declared("mailed", cron="0 * * * *", queue="mail")
    clock.declared("broken", cron="0 * * * *")
    Schedule.objects.filter(name="broken").update(broken="no", next_run_at=None)
    healthy(clock)

    assert checked("mailed")[0] == 0
    assert checked("--queue", "mail")[0] == 0
    assert checked("broken")[0] == 1
    assert checked("--json", "--within", "3h")[0] == 1
    assert checked("--json", "--paused")[0] == 1


# Previews


def test_a_preview_tells_offsets_and_what_clock_changes_do() -> None:
    lines = listed("--cron", "30 2 * * *", "--timezone", "Europe/Paris", "--after", "2026-03-28", "--next", "3")

    assert lines[:2] == ["Every day at 02:30 (Europe/Paris)", "  30 2 * * *   Europe/Paris"]
    assert [line[2:33] for line in lines[3:6]] == [
        "Sat 28 Mar 2026 02:30:00 +01:00",
        "Sun 29 Mar 2026 03:00:00 +02:00",
        "Mon 30 Mar 2026 02:30:00 +02:00",
    ]
    assert lines[4].endswith("02:30 is skipped: runs as the clock moves forward")
    assert [line.split("   ")[1] for line in lines[8:10]] == [
        "The clock moves forward from 02:00 to 03:00: what falls between runs once, at 03:00.",
        "The clock moves back from 03:00 to 02:00: what falls between runs the first time only.",
    ]


def test_a_preview_as_json_has_the_local_time_and_a_note() -> None:
    found = as_json("--cron", "30 2 * * *", "--timezone", "Europe/Paris", "--after", "2026-03-28", "--next", "2")

    assert found["upcoming"] == [
        {"at": "2026-03-28T01:30:00Z", "local": "2026-03-28T02:30:00+01:00", "note": None},
        {
            "at": "2026-03-29T01:00:00Z",
            "local": "2026-03-29T03:00:00+02:00",
            "note": "02:30 is skipped: runs as the clock moves forward",
        },
    ]


def test_a_preview_begins_now_and_touches_no_database(clock: VirtualClock) -> None:
    with CaptureQueriesContext(connection) as captured:
        found = as_json("--cron", "* * * * *")

    assert len(found["upcoming"]) == 6
    assert len(captured) == 0


@pytest.mark.parametrize("after", ["0002-01-01", "9999-12-30", "2026-03-28T12:00:00Z", "2026-03-28T12:00:00-05:00"])
def test_a_preview_may_begin_anywhere_in_the_calendar(after: str) -> None:
    assert listed("--cron", "30 2 * * *", "--timezone", "Europe/Paris", "--after", after)


def _paths(value: Any, path: str = "") -> Iterator[str]:
    """Every field of an object, such as `schedules[].name`."""
    match value:
        case dict():
            for name, each in value.items():
                yield f"{path}.{name}".lstrip(".")
                yield from _paths(each, f"{path}.{name}".lstrip("."))
        case list():
            for each in value:
                yield from _paths(each, f"{path}[]")


def _documented(start: str, end: str) -> list[str]:
    text = REFERENCE.read_text(encoding="utf-8")
    (section,) = re.findall(rf"{re.escape(start)}(.*?)(?:{end})", text, re.DOTALL)
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


# Where an operator decided otherwise than a declaration says


def test_a_schedule_that_an_operator_resumed_shows_what_its_declaration_says(clock: VirtualClock) -> None:
    schedule = clock.declared("nightly", cron="0 0 * * *", enabled=False)
    assert not any("Declared" in line for line in listed("nightly"))

    changes.resume(schedule, ALIAS, clock.now())

    (told,) = [line.strip() for line in listed("nightly") if "Declared" in line]
    assert told == "Declared    with enabled = False; an operator decided otherwise, and that holds"
    assert json.loads("\n".join(listed("nightly", "--json")))["schedules"][0]["enabled"] is False


def test_the_pause_of_an_operator_shows_that_the_declaration_says_otherwise(clock: VirtualClock) -> None:
    schedule = clock.declared("nightly", cron="0 0 * * *", source="settings")

    changes.pause(schedule, ALIAS, clock.now(), reason="holiday")

    assert any("with enabled = True; an operator decided otherwise" in line for line in listed("nightly"))
