"""The values that examinations share: a finding, its severity, and the case that is examined."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.db import connections, models

from schedules.models import Leadership, Occurrence, Schedule
from schedules.overview import has_tables, health
from schedules.overview.values import Health
from worker import masking
from worker.models import FinishedJob, Job, WorkerProcess

MODELS: tuple[type[models.Model], ...] = (Job, FinishedJob, WorkerProcess, Schedule, Occurrence, Leadership)


class Severity(StrEnum):
    OK = "ok"
    UNKNOWN = "unknown"
    """It could not be looked at."""
    WARNING = "warning"
    """Work is done, and something makes it slow, late or fragile, or has made some of it fail."""
    ERROR = "error"
    """Some work is not done, and will not be until somebody acts; or what was done may be lost."""


class Bytes(int):
    """A size."""


Fact = None | bool | int | str | datetime | timedelta
"""Bytes are an int. None: never, or not known."""
Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, the figures that show it, and what to do."""

    code: str
    """Stable: monitors may rely on it."""
    severity: Severity
    summary: str
    facts: Facts = field(default_factory=dict)
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    now: datetime
    alias: str
    server: str
    areas: Mapping[str, tuple[Finding, ...]]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for findings in self.areas.values() for finding in findings)

    def count(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.findings)


@dataclass(frozen=True)
class Case:
    """The database under an alias, at an instant of its clock, as this host sees it."""

    using: str
    now: datetime
    host_clock: Callable[[], datetime]

    @property
    def vendor(self) -> str:
        return connections[self.using].vendor

    @cached_property
    def has_tables(self) -> bool:
        return has_tables(self.using)

    @cached_property
    def health(self) -> Health:
        """What is wrong, as `list_schedule --check` sees it."""
        return health(self.using, self.now)


def rows(case: Case, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connections[case.using].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def statement(sql: str | None, text: re.Pattern[str]) -> str | None:
    """Of SQL that others run, what stands before its first text: texts are values, and may be secrets.

    text: how one begins on that server.
    """
    if not sql:
        return sql
    begin = text.search(sql)
    return masking.text(sql if begin is None else f"{sql[: begin.start()]}…")


def one(case: Case, sql: str, *params: Any) -> Any:
    """The one value that the statement asks for."""
    ((value,),) = rows(case, sql, *params)
    return value
