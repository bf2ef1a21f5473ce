"""The doctor: what is wrong with a running installation, and what to do about it. It reads, and changes nothing.

This file decides what is examined, in which order, and what happens if an examination may not look. Each examination
decides what it looks for. `findings` has the values that they share, and `report` writes what they found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import DatabaseError, connections

from schedules.doctor import (
    ids,
    installation,
    leadership,
    mysql,
    postgresql,
    sessions,
    sqlite,
    stored,
    timeouts,
    work,
)
from schedules.doctor.findings import Case, Finding, Report, Severity, one
from worker import masking
from worker.instants import UNREADABLE


@dataclass(frozen=True, slots=True)
class Examination:
    """`look(case)` yields what it found, with at least one finding, good or bad."""

    subject: str
    look: Callable[[Case], Iterator[Finding]]
    vendor: str | None = None
    """The kind of server that it looks into; None: what it looks at is ours, in any."""
    needs_tables: bool = True


AREAS: dict[str, tuple[Examination, ...]] = {
    "installation": (
        Examination("the migrations", installation.migrations, needs_tables=False),
        Examination("the system checks", installation.system_checks, needs_tables=False),
        Examination("the clock", installation.clock, needs_tables=False),
        Examination("the zone data", installation.zone_data),
    ),
    "leader": (
        Examination("the leader", leadership.leader),
        Examination("the terms", leadership.terms),
        Examination("the lock", sessions.lock),
    ),
    "work": (
        Examination("what is late, failing or broken", work.problems),
        Examination("the workers", work.workers),
        Examination("jobs that were given up", work.given_up),
        Examination("the way to hear of new work", sessions.wakeup),
    ),
    "database": (
        Examination("the values in our tables", stored.values),
        Examination("the ids of jobs", ids.on_postgresql, "postgresql"),
        Examination("the ids of jobs", ids.on_mysql, "mysql"),
        Examination("the ids of jobs", ids.on_sqlite, "sqlite"),
        Examination("the limits of sessions", timeouts.on_postgresql, "postgresql"),
        Examination("the limits of sessions", timeouts.on_mysql, "mysql"),
        Examination("open transactions", postgresql.transactions, "postgresql"),
        Examination("prepared transactions", postgresql.prepared_transactions, "postgresql"),
        Examination("replication slots", postgresql.replication_slots, "postgresql"),
        Examination("autovacuum", postgresql.autovacuum, "postgresql"),
        Examination("the vacuum of our tables", postgresql.vacuum, "postgresql"),
        Examination("open transactions", mysql.transactions, "mysql"),
        Examination("the history of InnoDB", mysql.history, "mysql"),
        Examination("the isolation of transactions", mysql.isolation, "mysql"),
        Examination("our tables", mysql.tables, "mysql"),
        Examination("the file", sqlite.file, "sqlite"),
        Examination("the file system", sqlite.file_system, "sqlite"),
    ),
}


def examine(case: Case) -> Report:
    """Raises a DatabaseError only where the database answers nothing any more."""
    return Report(
        now=case.now,
        alias=case.using,
        server=_server(case),
        areas={area: tuple(_findings(case, examinations)) for area, examinations in AREAS.items()},
    )


def _findings(case: Case, examinations: tuple[Examination, ...]) -> Iterator[Finding]:
    for each in examinations:
        if each.vendor in (None, case.vendor) and (case.has_tables or not each.needs_tables):
            yield from _look(case, each)


def _look(case: Case, examination: Examination) -> Iterator[Finding]:
    try:
        yield from examination.look(case)
    except DatabaseError as error:
        if not connections[case.using].is_usable():
            raise
        yield _unseen(examination, error)
    except UNREADABLE as error:
        yield Finding(
            "unreadable",
            Severity.ERROR,
            f"Could not look at {examination.subject}: {masking.text(f'{type(error).__name__}: {error}')}",
            remedy="See the findings on values in Carillon's tables, and correct these values.",
        )


def _unseen(examination: Examination, error: DatabaseError) -> Finding:
    """Whoever may work here need not see into the server, but must read our tables."""
    sentence = f"Could not look at {examination.subject}: {masking.text(str(error))}"
    if examination.vendor is None:
        return Finding(
            "unreadable",
            Severity.ERROR,
            sentence,
            remedy="Apply the migrations, and run this command with the database privileges that the processes have.",
        )
    return Finding(
        "not-seen", Severity.UNKNOWN, sentence, remedy="Run the doctor as a database user who may look at it."
    )


def _server(case: Case) -> str:
    match case.vendor:
        case "postgresql":
            return f"PostgreSQL {one(case, 'SHOW server_version')}"
        case "mysql":
            version = str(one(case, "SELECT VERSION()"))
            return version if "MariaDB" in version else f"MySQL {version}"
        case _:
            return f"SQLite {one(case, 'SELECT sqlite_version()')}"
