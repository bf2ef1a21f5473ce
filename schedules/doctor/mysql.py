"""Examines a MySQL or MariaDB server: what keeps InnoDB from purging, how transactions are isolated, our tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from schedules.doctor.findings import MODELS, Bytes, Case, Finding, Severity, rows, statement

LONG = timedelta(minutes=5)
"""A transaction that is open for longer keeps what others deleted for too long."""
LONG_HISTORY = 100_000
"""Changes that wait to be purged: more slow every look at the queue."""
TEXT = re.compile(r"['\"]")
"""How one begins in SQL."""

# InnoDB tells the time in the system's zone, whatever that of the session.
TRANSACTIONS = """
    SELECT trx_mysql_thread_id, user, db, command,
           TIMESTAMPDIFF(SECOND, trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM')), LEFT(trx_query, 200)
    FROM information_schema.innodb_trx
    LEFT JOIN information_schema.processlist ON id = trx_mysql_thread_id
    WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID())
    ORDER BY trx_started
"""
HISTORY = "SELECT `count` FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'"
ISOLATION = "SHOW VARIABLES WHERE variable_name IN ('transaction_isolation', 'tx_isolation')"
TABLES = """
    SELECT table_name, engine, COALESCE(data_length + index_length, 0)
    FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN %s ORDER BY table_name
"""


def transactions(case: Case) -> Iterator[Finding]:
    """Those of the whole server, since it purges for all its databases together."""
    found = [(*row[:4], timedelta(seconds=row[4]), row[5]) for row in rows(case, TRANSACTIONS)]
    for session, user, database, command, age, query in found:
        if age > LONG:
            yield Finding(
                "old-snapshot",
                Severity.WARNING,
                f"A transaction of session {session} keeps InnoDB from purging.",
                {
                    "session": session,
                    "user": user,
                    "database": database,
                    "command": command,
                    "open for": age,
                    "query": statement(query, TEXT),
                },
                f"KILL {session} ends it. Have the program commit sooner, or give its sessions a shorter wait_timeout.",
            )
    oldest = found[0][4] if found else None
    if oldest is None or oldest <= LONG:
        yield Finding("snapshots", Severity.OK, "No transaction keeps InnoDB from purging.", {"oldest": oldest})


def history(case: Case) -> Iterator[Finding]:
    for (length,) in rows(case, HISTORY):
        facts = {"history list length": int(length)}
        if length > LONG_HISTORY:
            yield Finding(
                "long-history",
                Severity.WARNING,
                "InnoDB is far behind with purging.",
                facts,
                "End the oldest transactions; if there are none, raise innodb_purge_threads.",
            )
        else:
            yield Finding("history", Severity.OK, "InnoDB purges in time.", facts)


def isolation(case: Case) -> Iterator[Finding]:
    for _, level in rows(case, ISOLATION):
        facts = {"isolation": level}
        if level == "READ-COMMITTED":
            yield Finding(
                "isolation", Severity.OK, "The isolation level of transactions is the one that the queue needs.", facts
            )
        else:
            yield Finding(
                "isolation-too-strict",
                Severity.WARNING,
                "Transactions of this project lock gaps between rows, and workers wait for them.",
                facts,
                f'Set DATABASES["{case.using}"]["OPTIONS"]["isolation_level"] = "read committed", Django\'s default.',
            )


def tables(case: Case) -> Iterator[Finding]:
    found = rows(case, TABLES, tuple(model._meta.db_table for model in MODELS))
    others = [(table, engine) for table, engine, _ in found if engine != "InnoDB"]
    for table, engine in others:
        yield Finding(
            "no-transactions",
            Severity.ERROR,
            f"{table} is stored by {engine}, which has no transactions, so no guarantee holds.",
            {"table": table, "engine": engine},
            f"ALTER TABLE {table} ENGINE = InnoDB",
        )
    if not others:
        sizes = {str(table): Bytes(size) for table, _, size in found}
        yield Finding("tables", Severity.OK, "All of Carillon's tables are stored by InnoDB.", sizes)
