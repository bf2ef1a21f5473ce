"""Examines limits on the project's sessions, such as statement_timeout, that an administrator has set.

Such limits suit web pages. A job may take longer, and a process of ours may have to wait longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from schedules.doctor.findings import Case, Finding, Severity, rows

SHORT = timedelta(minutes=1)
"""Shorter limits were set with pages in mind."""

CANCELS = "A statement that takes longer is cancelled: the attempt of its job has failed."
NO_LOCK = "A statement that waits longer for a lock is cancelled: the attempt of its job has failed."
IDLE_IN_TRANSACTION = (
    "A task that sends no statement for longer within a transaction (an atomic task always is in one) "
    "loses its session, and the attempt has failed."
)
IDLE = "A task that sends no statement for longer loses its session: its next statement fails, and so does the attempt."


class Timeout(NamedTuple):
    """What it does to jobs, how long it is when nobody cares, and the unit in which the server tells it."""

    meaning: str
    shortest: timedelta = SHORT
    unit: timedelta = timedelta(seconds=1)


MILLISECOND = timedelta(milliseconds=1)
POSTGRESQL = {
    "statement_timeout": Timeout(CANCELS, unit=MILLISECOND),
    "lock_timeout": Timeout(NO_LOCK, unit=MILLISECOND),
    "idle_in_transaction_session_timeout": Timeout(IDLE_IN_TRANSACTION, unit=MILLISECOND),
    "idle_session_timeout": Timeout(IDLE, unit=MILLISECOND),
    "transaction_timeout": Timeout(
        "A transaction that lasts longer is ended with its session, even that of an atomic task: the "
        "attempt has failed.",
        unit=MILLISECOND,
    ),
}
MYSQL = {
    "max_statement_time": Timeout(CANCELS),
    "max_execution_time": Timeout(CANCELS, unit=MILLISECOND),
    "lock_wait_timeout": Timeout(NO_LOCK),
    "innodb_lock_wait_timeout": Timeout(NO_LOCK, shortest=timedelta(seconds=50)),  # its default
    "idle_transaction_timeout": Timeout(IDLE_IN_TRANSACTION),
    "idle_write_transaction_timeout": Timeout(IDLE_IN_TRANSACTION),
    "idle_readonly_transaction_timeout": Timeout(IDLE_IN_TRANSACTION),
    "wait_timeout": Timeout(IDLE),
}

SETTINGS = """
    SELECT name, setting, source, quote_ident(current_user), quote_ident(current_database())
    FROM pg_settings WHERE name = ANY(%s) ORDER BY name
"""
VARIABLES = "SHOW SESSION VARIABLES WHERE variable_name IN %s"


def on_postgresql(case: Case) -> Iterator[Finding]:
    """As they are in the sessions of this role in this database, whoever has set them."""
    found = {}
    for name, value, source, role, database in rows(case, SETTINGS, list(POSTGRESQL)):
        if source == "client":
            found[name] = value, _in_options(case, "options", f"-c {name}=10min")
        else:
            found[name] = value, f"ALTER ROLE {role} IN DATABASE {database} SET {name} = '10min'"
    yield from _findings(POSTGRESQL, found)


def on_mysql(case: Case) -> Iterator[Finding]:
    found = {
        name: (value, _in_options(case, "init_command", f"SET SESSION {name} = {_units(MYSQL[name])}"))
        for name, value in sorted(rows(case, VARIABLES, tuple(MYSQL)))
    }
    yield from _findings(MYSQL, found)


def _in_options(case: Case, option: str, value: str) -> str:
    return f'Set DATABASES["{case.using}"]["OPTIONS"]["{option}"] = "{value}"'


def _units(timeout: Timeout) -> int:
    """Of ten minutes."""
    return timedelta(minutes=10) // timeout.unit


def _findings(known: Mapping[str, Timeout], found: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    """found: by name, the value as the server tells it, zero for none, and what gives jobs ten minutes."""
    limits = {name: float(value) * known[name].unit for name, (value, _) in found.items() if float(value)}
    short = [name for name in limits if limits[name] < known[name].shortest]
    for name in short:
        yield Finding(
            "short-session-timeout",
            Severity.WARNING,
            f"{name} is short for jobs. {known[name].meaning}",
            {"setting": name, "timeout": limits[name]},
            f"{found[name][1]}, or as long as your jobs need, and restart the processes.",
        )
    if not short:
        yield Finding("session-timeouts", Severity.OK, "No limit on sessions is shorter than a minute.", limits)
