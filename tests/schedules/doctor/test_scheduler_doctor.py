"""`scheduler_doctor` as people and monitors see it, and the page that says what it finds."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from schedules import doctor
from schedules.commandline.terminal import Screen
from schedules.doctor import Examination, leadership, mysql, postgresql, report, work
from schedules.doctor.findings import Bytes, Case, Facts, Finding, Report, Severity, statement
from schedules.management.commands import scheduler_doctor
from tests.app.tasks import nothing
from tests.documents import page
from tests.processes import StartProcess
from worker import queue
from worker.clock import database_now
from worker.values import NewJob

PAGE = page("reference/doctor.md")
PIPE = Screen()
NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)

FACTS: Facts = {
    "pid": 4711,
    "open for": timedelta(hours=3, minutes=12),
    "skew": timedelta(seconds=-14),
    "size": Bytes(2048),
    "since": NOW,
    "active": False,
    "state": None,
}
FINDING = Finding("old-snapshot", Severity.WARNING, "Session 4711 holds back vacuum.", FACTS, "End it.")


def of(*findings: Finding) -> Report:
    return Report(NOW, "default", "PostgreSQL 17.2", {"installation": (), "database": findings})


def finds(monkeypatch: pytest.MonkeyPatch, *severities: Severity) -> None:
    """The doctor finds one of each, and nothing else."""

    def look(case: Case) -> Iterator[Finding]:
        return (Finding(f"some-{severity}", severity, "So it is.") for severity in severities)

    monkeypatch.setattr(doctor, "AREAS", {"work": (Examination("it", look),)})


def examined(*arguments: str) -> tuple[int, str]:
    """The exit code, and what it writes."""
    out = StringIO()
    try:
        call_command("scheduler_doctor", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


# What it shows


def test_in_a_pipe_a_finding_has_words_and_no_line_is_broken() -> None:
    assert list(report.lines(of(FINDING), PIPE)) == [
        "Database (PostgreSQL 17.2)",
        "  warning Session 4711 holds back vacuum.",
        "          pid 4711, open for 3h 12m, skew -14s, size 2.0 KB, since 2026-07-01T10:00:00Z, active no, state -",
        "          -> End it.",
        "",
        "0 errors, 1 warning, 0 ok.",
    ]


def test_on_a_terminal_it_has_glyphs_and_keeps_within_the_width() -> None:
    lines = list(report.lines(of(FINDING), Screen(width=40, glyphs=True, colour=False)))

    assert lines[1] == "  ! Session 4711 holds back vacuum."
    assert lines[-3] == "    → End it."
    assert all(len(line) <= 40 for line in lines)


def test_what_a_terminal_would_obey_is_not_written() -> None:
    hostile = Finding("x", Severity.OK, "A query:", {"query": "SELECT '\x1b[2J'\n-- more"})

    assert "\x1b" not in "".join(report.lines(of(hostile), PIPE))
    assert "          query SELECT '?[2J' -- more" in report.lines(of(hostile), PIPE)


@pytest.mark.parametrize(
    ("server", "sql", "shown"),
    [
        (postgresql, """INSERT INTO "job" VALUES (1, '[["hunter2"],{}]')""", """INSERT INTO "job" VALUES (1, …"""),
        (postgresql, "SELECT $tag$hunter2$tag$", "SELECT …"),
        (postgresql, "SELECT $1, U&'hunter2", "SELECT $1, U&…"),
        (mysql, 'INSERT INTO `job` VALUES (1, "hunter2")', "INSERT INTO `job` VALUES (1, …"),
        (mysql, "SELECT a FROM b WHERE c = N'hunter2'", "SELECT a FROM b WHERE c = N…"),
        (mysql, "SELECT 1", "SELECT 1"),
        (mysql, None, None),
    ],
)
def test_of_a_statement_that_others_run_no_text_is_shown(server: Any, sql: str | None, shown: str | None) -> None:
    assert statement(sql, server.TEXT) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(-14, "-14s"), (-0.3, "-0.3s"), (-0.001, "0.0s"), (0, "0.0s")])
def test_a_skew_has_its_sign_as_far_as_it_is_shown(seconds: float, shown: str) -> None:
    skewed = Finding("clock", Severity.OK, "So it is.", {"skew": timedelta(seconds=seconds)})

    assert f"          skew {shown}" in report.lines(of(skewed), PIPE)


def test_what_was_not_seen_is_counted() -> None:
    unseen = Finding("not-seen", Severity.UNKNOWN, "Could not look.")

    assert list(report.lines(of(FINDING, unseen), PIPE))[-1] == "0 errors, 1 warning, 0 ok, 1 not seen."


def test_facts_are_seconds_and_bytes_for_programs() -> None:
    (finding,) = json.loads(report.as_json(of(FINDING)))["findings"]

    assert finding["facts"] == {
        "pid": 4711,
        "open for": 11_520.0,
        "skew": -14.0,
        "size": 2048,
        "since": "2026-07-01T10:00:00Z",
        "active": False,
        "state": None,
    }


def test_the_json_object_has_the_documented_fields_and_no_others(database: None) -> None:
    _, text = examined("--json")

    assert set(_paths(json.loads(text))) == PAGE.table("Field").keys()


# What it answers


@pytest.mark.parametrize(
    ("severities", "default", "errors_only"),
    [
        ((Severity.OK,), 0, 0),
        ((Severity.OK, Severity.UNKNOWN), 0, 0),
        ((Severity.OK, Severity.WARNING), 1, 0),
        ((Severity.ERROR,), 1, 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst_finding(
    database: None, monkeypatch: pytest.MonkeyPatch, severities: tuple[Severity, ...], default: int, errors_only: int
) -> None:
    finds(monkeypatch, *severities)

    assert examined()[0] == examined("--json")[0] == default
    assert examined("--fail-level", "error")[0] == errors_only


def test_a_queue_that_nobody_drains_ends_the_command_with_one_until_somebody_does(process: StartProcess) -> None:
    minutes_ago = database_now("default") - timedelta(minutes=2)
    queue.enqueue(NewJob(nothing.task.name, "[[7],{}]", "mail", 0, 1, run_at=minutes_ago), "default")
    doctor_says = ("scheduler_doctor", "--json", "--fail-level", "error")

    ill = process(*doctor_says)
    assert ill.wait(within=30) == 1
    (finding,) = [each for each in json.loads(ill.output)["findings"] if each["severity"] == "error"]
    assert (finding["code"], finding["facts"]["queue"]) == ("no-worker", "mail")
    assert "manage.py process_tasks" in finding["remedy"]

    assert process("process_tasks", "--until-idle").wait(within=30) == 0
    well = process(*doctor_says)
    assert well.wait(within=30) == 0
    assert json.loads(well.output)["counts"]["error"] == 0


def test_it_examines_every_area(database: None) -> None:
    _, text = examined()

    headings = [line.split()[0] for line in text.splitlines()[:-1] if line and not line.startswith(" ")]
    assert headings == ["Installation", "Leader", "Work", "Database"]


def test_an_alias_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match='--database is "replica", but must be one of default'):
        examined("--database", "replica")


def test_a_database_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(using: str) -> datetime:
        raise OperationalError("connection refused: user=u password=hunter2\n")

    monkeypatch.setattr(scheduler_doctor, "database_now", refuse)

    with pytest.raises(CommandError, match=r"does not answer: connection refused: user=u password=\*{8}$"):
        examined()


# What is written about it


def test_every_finding_is_documented_with_its_severity_and_no_other() -> None:
    documented = {code: severity for code, (severity, _) in PAGE.table("Code").items()}
    of_problems = {code: severity for code, (severity, _) in work.TREATMENTS.items()}
    of_leaders = dict.fromkeys(leadership.REMEDIES, Severity.ERROR)

    made = {code: severity for code, severity, _ in _made()}
    assert documented == made | of_problems | of_leaders | {"not-migrated": Severity.ERROR}


def test_whatever_is_wrong_comes_with_what_to_do() -> None:
    of_problems = {code: remedy for code, (_, remedy) in work.TREATMENTS.items()}
    told = [remedy for _, severity, remedy in _made() if severity in (Severity.WARNING, Severity.ERROR)]

    assert len(told) > 20
    assert all([*told, *of_problems.values(), *leadership.REMEDIES.values()])


def test_every_reason_of_list_schedule_is_a_finding_too() -> None:
    reasons = page("reference/commands.md").table("Code", "`--check`")

    assert reasons.keys() == {*work.TREATMENTS, *leadership.REMEDIES, "not-migrated"}


def _made() -> Iterator[tuple[str, str, str]]:
    """Code, severity and remedy, as the source has it, of each finding that is made with a code of its own."""
    for path in Path(str(doctor.__file__)).parent.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match call:
                case ast.Call(
                    func=ast.Name("Finding"),
                    args=[ast.Constant(str(code)), ast.Attribute(attr=name), *others],
                    keywords=named,
                ):
                    remedies = [*others[2:], *(each.value for each in named if each.arg == "remedy")]
                    yield code, Severity[name], " ".join(map(ast.unparse, remedies)).strip("'")


def _paths(value: Any, path: str = "") -> Iterator[str]:
    """Every field of an object; which facts there are, depends."""
    match value:
        case dict():
            for name, each in value.items():
                yield f"{path}.{name}".lstrip(".")
                if name != "facts":
                    yield from _paths(each, f"{path}.{name}".lstrip("."))
        case list():
            for each in value:
                yield from _paths(each, f"{path}[]")
