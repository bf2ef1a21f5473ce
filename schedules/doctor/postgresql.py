"""Examines a PostgreSQL server: what holds back vacuum, and whether our tables are vacuumed.

Each job changes the live table. While an old snapshot is open, dead rows pile up in it, and a claim that looks
everywhere reads over them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from schedules.doctor.findings import MODELS, Bytes, Case, Facts, Finding, Severity, one, rows, statement

LONG = timedelta(minutes=5)
"""A transaction that is open for longer holds back vacuum for too long."""
FAR_BEHIND = 1_000_000
"""Transactions by which the snapshot of a replication slot may be behind."""
MANY_DEAD = 50_000
"""Dead rows of a table that are no matter of a busy minute."""
UNVACUUMED = timedelta(minutes=10)
TEXT = re.compile(r"'|\$(?!\d)")
"""How one begins in SQL; a number behind the dollar is a parameter."""

TRANSACTIONS = """
    SELECT pid, usename, application_name, state, statement_timestamp() - xact_start,
           GREATEST(age(backend_xid), age(backend_xmin)), left(query, 200)
    FROM pg_stat_activity AS session
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
      AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum AS vacuum WHERE vacuum.pid = session.pid)
    ORDER BY xact_start
"""
HIDDEN = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = '<insufficient privilege>'"
)
PREPARED = """
    SELECT gid, owner, statement_timestamp() - prepared
    FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
"""
SLOTS = "SELECT slot_name, active, age(xmin) FROM pg_replication_slots WHERE xmin IS NOT NULL ORDER BY age(xmin) DESC"
AUTOVACUUM = "SELECT current_setting('autovacuum')::bool AND current_setting('track_counts')::bool"
TABLES = """
    SELECT stat.relname, n_live_tup, n_dead_tup, statement_timestamp() - GREATEST(last_vacuum, last_autovacuum),
           pg_total_relation_size(relid),
           EXISTS (SELECT FROM pg_options_to_table(reloptions)
                   WHERE option_name = 'autovacuum_enabled' AND NOT option_value::bool)
    FROM pg_stat_user_tables AS stat JOIN pg_class ON pg_class.oid = relid
    WHERE relid = ANY(%s::regclass[]) ORDER BY stat.relname
"""


def transactions(case: Case) -> Iterator[Finding]:
    """Those that hold back vacuum in this database, the oldest first."""
    found = rows(case, TRANSACTIONS)
    for pid, user, application, state, age, behind, query in found:
        if age > LONG:
            yield Finding(
                "old-snapshot",
                Severity.WARNING,
                f"A transaction of session {pid} holds back vacuum.",
                {
                    "pid": pid,
                    "user": user,
                    "application": application,
                    "state": state,
                    "open for": age,
                    "transactions behind": behind,
                    "query": statement(query, TEXT),
                },
                f"SELECT pg_terminate_backend({pid}) ends it. {_prevention(user, state)}",
            )
    hidden = one(case, HIDDEN)
    if hidden:
        yield Finding(
            "not-seen",
            Severity.UNKNOWN,
            f"Could not look at the sessions of other users: {hidden} of them hide their transactions.",
            remedy=f"GRANT pg_read_all_stats TO {one(case, 'SELECT quote_ident(current_user)')}",
        )
    oldest = found[0][4] if found else None
    if oldest is None or oldest <= LONG:
        yield Finding("snapshots", Severity.OK, "No transaction holds back vacuum.", {"oldest": oldest})


def prepared_transactions(case: Case) -> Iterator[Finding]:
    found = [row for row in rows(case, PREPARED) if row[2] > LONG]
    for gid, owner, age in found:
        yield Finding(
            "old-prepared-transaction",
            Severity.WARNING,
            f'The prepared transaction "{gid}" holds back vacuum.',
            {"gid": gid, "owner": owner, "prepared before": age},
            "COMMIT PREPARED or ROLLBACK PREPARED, as its coordinator decides.",
        )
    if not found:
        yield Finding("prepared-transactions", Severity.OK, "No prepared transaction holds back vacuum.")


def replication_slots(case: Case) -> Iterator[Finding]:
    found = [row for row in rows(case, SLOTS) if not row[1] or row[2] > FAR_BEHIND]
    for name, active, behind in found:
        yield Finding(
            "old-replication-slot",
            Severity.WARNING,
            f'The replication slot "{name}" holds back vacuum.',
            {"slot": name, "active": active, "transactions behind": behind},
            "End long queries on its standby, or switch off hot_standby_feedback there. "
            f"If the standby is gone for good: SELECT pg_drop_replication_slot('{name}').",
        )
    if not found:
        yield Finding("replication-slots", Severity.OK, "No replication slot holds back vacuum.")


def autovacuum(case: Case) -> Iterator[Finding]:
    if one(case, AUTOVACUUM):
        yield Finding("autovacuum", Severity.OK, "The server vacuums by itself.")
    else:
        yield Finding(
            "autovacuum-off",
            Severity.WARNING,
            "The server does not vacuum by itself: dead rows pile up in every table.",
            remedy="autovacuum = on and track_counts = on in postgresql.conf, then SELECT pg_reload_conf().",
        )


def vacuum(case: Case) -> Iterator[Finding]:
    names = [f'"{model._meta.db_table}"' for model in MODELS]
    found = rows(case, TABLES, names)
    ailing = [
        finding
        for table, live, dead, age, size, manual in found
        for finding in _ailments(table, live, dead, age, Bytes(size), manual)
    ]
    yield from ailing
    if not ailing:
        sizes = {str(row[0]): Bytes(row[4]) for row in found}
        yield Finding("vacuum", Severity.OK, "Carillon's tables are vacuumed.", sizes)


def _ailments(table: str, live: int, dead: int, age: timedelta | None, size: Bytes, manual: bool) -> Iterator[Finding]:
    facts: Facts = {"table": table, "live rows": live, "dead rows": dead, "vacuumed before": age, "size": size}
    if manual:
        yield Finding(
            "autovacuum-off-table",
            Severity.WARNING,
            f"Autovacuum is off for {table}.",
            facts,
            f"ALTER TABLE {table} RESET (autovacuum_enabled)",
        )
    if dead > max(MANY_DEAD, live) and (age is None or age > UNVACUUMED):
        yield Finding(
            "unvacuumed",
            Severity.WARNING,
            f"Dead rows pile up in {table}.",
            facts,
            f"VACUUM {table}. If that removes little, a transaction holds it back: see the findings on transactions. "
            "If autovacuum is too slow, raise autovacuum_vacuum_cost_limit.",
        )


def _prevention(user: str, state: str | None) -> str:
    """What would have ended it before."""
    setting = "statement_timeout" if state == "active" else "idle_in_transaction_session_timeout"
    return f"ALTER ROLE {user} SET {setting} = '1min' keeps the next one short."
