"""What `scheduler_doctor` writes: its report for people, and as an object for programs.

It decides how findings look. The fields of the object are those of docs/reference/doctor.md: fields are added and
never change their meaning; instants are RFC 3339 in UTC, durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.template.defaultfilters import filesizeformat

from schedules.commandline import contract
from schedules.commandline.columns import wrapped
from schedules.commandline.terminal import Screen, bold, clean, coloured, count
from schedules.doctor.findings import Bytes, Fact, Finding, Report, Severity
from worker.messages.durations import took
from worker.signs import sign_of

VERSION = 1
JUST_NOW = timedelta(seconds=0.05)
"""What is shown as 0.0s."""
WORDS = max(map(len, Severity))


def lines(report: Report, screen: Screen) -> Iterator[str]:
    for area, findings in report.areas.items():
        if findings:
            heading = f"{area.capitalize()} ({report.server})" if area == "database" else area.capitalize()
            yield from (bold(line, screen) for line in wrapped(clean(heading), screen, indent=0))
            for finding in findings:
                yield from _lines_of(finding, screen)
            yield ""
    yield _verdict(report)


def as_json(report: Report) -> str:
    return contract.dumped(
        {
            "version": VERSION,
            "now": contract.instant(report.now),
            "database": {"alias": report.alias, "server": report.server},
            "counts": {severity: report.count(severity) for severity in Severity},
            "findings": [
                {
                    "code": finding.code,
                    "area": area,
                    "severity": finding.severity,
                    "summary": finding.summary,
                    "facts": {name: _plain(fact) for name, fact in finding.facts.items()},
                    "remedy": finding.remedy or None,
                }
                for area, findings in report.areas.items()
                for finding in findings
            ],
        }
    )


def _lines_of(finding: Finding, screen: Screen) -> Iterator[str]:
    sign = sign_of(finding.severity)
    mark = sign.glyph if screen.glyphs else finding.severity.ljust(WORDS)
    indent = 3 + len(mark)
    head, *rest = wrapped(clean(finding.summary), screen, indent=indent)
    yield f"  {coloured(mark, sign.tone, screen)} {head}"
    facts = ", ".join(f"{name} {_shown(fact)}" for name, fact in finding.facts.items())
    details = [facts, f"{'→' if screen.glyphs else '->'} {finding.remedy}" if finding.remedy else ""]
    for text in filter(None, details):
        rest += wrapped(clean(text), screen, indent=indent)
    yield from (f"{' ' * indent}{line}" for line in rest)


def _verdict(report: Report) -> str:
    counts = [count(report.count(severity), severity) for severity in (Severity.ERROR, Severity.WARNING)]
    unseen = report.count(Severity.UNKNOWN)
    return ", ".join([*counts, f"{report.count(Severity.OK)} ok", *([f"{unseen} not seen"] if unseen else [])]) + "."


def _shown(fact: Fact) -> str:
    match fact:
        case None:
            return "-"
        case bool():
            return "yes" if fact else "no"
        case Bytes():
            return filesizeformat(fact).replace("\xa0", " ")
        case timedelta():
            return f"{'-' if fact < -JUST_NOW else ''}{took(abs(fact).total_seconds())}"
        case datetime():
            return str(contract.instant(fact))
        case _:
            return str(fact)


def _plain(fact: Fact) -> object:
    match fact:
        case timedelta():
            return fact.total_seconds()
        case datetime():
            return contract.instant(fact)
        case _:
            return fact
