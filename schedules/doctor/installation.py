"""Examines what was installed: migrations, settings, the host's clock, the edition of the zone data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core import checks
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from schedules.commandline.terminal import count
from schedules.doctor.findings import MODELS, Case, Finding, Severity
from schedules.models import Schedule
from schedules.overview.kinds import kinds_of
from schedules.overview.problems import not_migrated
from schedules.recurrence.zones import zone_version
from worker.clock import database_now

LARGEST_SKEW = timedelta(seconds=1)
ASKED_ELSEWHERE = {"schedules.E001", "schedules.I002", "worker.W002"}
"""Checks that only read settings, where an examination asks what is in force."""


def migrations(case: Case) -> Iterator[Finding]:
    if not case.has_tables:
        problem = not_migrated(case.using)
        yield Finding(problem.code, Severity.ERROR, problem.message, remedy="Do so before the processes start.")
        return
    missing = _unapplied(case.using)
    if missing:
        yield Finding(
            "unapplied-migrations",
            Severity.ERROR,
            f"{count(len(missing), 'migration')} not applied: {', '.join(missing)}.",
            remedy=f"manage.py migrate --database {case.using}, before processes with the new code start.",
        )
    else:
        yield Finding("migrations", Severity.OK, "All migrations are applied.")


def system_checks(case: Case) -> Iterator[Finding]:
    """Those of ours that found something, as in `manage.py check --database`."""
    messages = checks.run_checks(tags=["schedules", "worker", checks.Tags.database], databases=[case.using])
    found = [message for message in messages if _is_ours(message) and not message.is_silenced()]
    for message in found:
        severity = Severity.ERROR if message.is_serious() else Severity.WARNING
        yield Finding(str(message.id), severity, message.msg, remedy=message.hint or "As it says.")
    if not found:
        yield Finding("system-checks", Severity.OK, "The system checks find nothing wrong.")


def clock(case: Case) -> Iterator[Finding]:
    """Zones do not matter here: instants are compared."""
    before = case.host_clock()
    database = database_now(case.using)
    after = case.host_clock()
    skew, doubt = before + (after - before) / 2 - database, (after - before) / 2
    facts = {"skew": skew, "round trip": after - before}
    if abs(skew) - doubt <= LARGEST_SKEW:
        yield Finding("clock", Severity.OK, "This host's clock agrees with the database's.", facts)
        return
    yield Finding(
        "clock-skew",
        Severity.WARNING,
        f"This host's clock is {'ahead of' if skew > timedelta() else 'behind'} the database's, whose clock "
        f"is used for all work: timezone.now() in a task disagrees with the times of schedules.",
        facts,
        "Let NTP (chrony, systemd-timesyncd) set the clocks of both hosts.",
    )


def zone_data(case: Case) -> Iterator[Finding]:
    edition = zone_version()
    planned = Schedule.objects.using(case.using).planned()
    editions = sorted({each for *_, each in kinds_of(planned, "task", "queue", "zone_version")} - {edition})
    if not editions:
        yield Finding("zone-data", Severity.OK, "All next runs follow this process's zone data.", {"edition": edition})
        return
    yield Finding(
        "zone-data-differs",
        Severity.WARNING,
        f"{count(planned.filter(zone_version__in=editions).count(), 'next run')} computed with other zone data than "
        "this process has.",
        {"edition": edition, "computed with": ", ".join(editions)},
        "Install the same pytz everywhere: each minute a leader computes next runs again that others have "
        "computed with other data.",
    )


def _unapplied(using: str) -> list[str]:
    executor = MigrationExecutor(connections[using])
    ours = {model._meta.app_label for model in MODELS}
    leaves = [node for node in executor.loader.graph.leaf_nodes() if node[0] in ours]
    return [f"{each.app_label}.{each.name}" for each, _ in executor.migration_plan(leaves)]


def _is_ours(message: checks.CheckMessage) -> bool:
    has_weight = message.level >= checks.WARNING
    is_ours = str(message.id).startswith(("schedules.", "worker."))
    return has_weight and is_ours and message.id not in ASKED_ELSEWHERE
