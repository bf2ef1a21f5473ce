"""Examines whether SCHEDULER["LOCK"] and ["WAKEUP"] fit: is there a pooler in front of the database?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import connections

from schedules.doctor.findings import Case, Facts, Finding, Severity
from schedules.leader.lock import lock_on
from worker.options import options
from worker.sessions.connection import behind_pooler
from worker.wakeup.asking import is_told, longest_wait


def lock(case: Case) -> Iterator[Finding]:
    kind, pooled = lock_on(case.using).kind, behind_pooler(connections[case.using])
    facts: Facts = {"LOCK": options().LOCK, "in use": kind, "pooler": pooled}
    if pooled and kind == "session":
        yield Finding(
            "lock-behind-pooler",
            Severity.ERROR,
            "The leader's lock belongs to a session, and a pooler is in front of the database: "
            "in transaction mode a client has no session of its own, so two processes may lead.",
            facts,
            'Set SCHEDULER["LOCK"] = "auto", or name an alias in SCHEDULER["DATABASE"] that goes past the pooler.',
        )
    elif kind == "transaction" and not pooled and case.vendor == "postgresql":
        yield Finding(
            "lock",
            Severity.OK,
            "The leader's lock lasts for a transaction, although there seems to be no pooler.",
            facts,
            'With SCHEDULER["LOCK"] = "auto" the server would take the lock from a leader that hangs.',
        )
    else:
        yield Finding("lock", Severity.OK, "The leader's lock fits the database.", facts)


def wakeup(case: Case) -> Iterator[Finding]:
    pooled, wait = behind_pooler(connections[case.using]), timedelta(seconds=longest_wait(case.using))
    facts: Facts = {"WAKEUP": options().WAKEUP, "longest wait": wait, "pooler": pooled}
    if pooled and is_told(case.using):
        yield Finding(
            "wakeup-behind-pooler",
            Severity.WARNING,
            "Processes listen for new work, and a pooler is in front of the database: "
            "in transaction mode it drops notifications, so jobs wait for the next look.",
            facts,
            'Set SCHEDULER["WAKEUP"] = "auto", with which processes look five times a second, '
            'or name an alias in SCHEDULER["DATABASE"] that goes past the pooler.',
        )
    else:
        yield Finding("wakeup", Severity.OK, "Processes hear of new work in time.", facts)
