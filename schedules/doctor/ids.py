"""Examines the sequence of job ids: a finished job keeps its id, so no new job may get that id.

It may, after manage.py sqlsequencereset, which knows the live table alone, after loaddata, or after a TRUNCATE.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Max

from schedules.doctor.findings import Case, Finding, Severity, one, rows
from worker.models import FinishedJob, Job

TABLE = Job._meta.db_table


def on_postgresql(case: Case) -> Iterator[Finding]:
    sequence = one(case, "SELECT pg_get_serial_sequence(%s, 'id')", TABLE)
    last = one(case, f"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}")
    yield _finding(case, last, f"SELECT setval('{sequence}', {{last}});")


def on_mysql(case: Case) -> Iterator[Finding]:
    """As the table itself says: what the server's catalogue says may be a day old."""
    created = rows(case, f"SHOW CREATE TABLE {TABLE}")[0][1]
    _, _, after = created.rpartition("AUTO_INCREMENT=")
    following = after.split()[0] if after != created else "1"
    yield _finding(case, int(following) - 1, f"ALTER TABLE {TABLE} AUTO_INCREMENT = {{next}};")


def on_sqlite(case: Case) -> Iterator[Finding]:
    """Its row is missing until something is inserted."""
    found = rows(case, "SELECT seq FROM sqlite_sequence WHERE name = %s", TABLE)
    if found:
        remedy = f"UPDATE sqlite_sequence SET seq = {{last}} WHERE name = '{TABLE}';"
    else:
        remedy = f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{TABLE}', {{last}});"
    yield _finding(case, found[0][0] if found else 0, remedy)


def _finding(case: Case, last: int, remedy: str) -> Finding:
    """last: the latest id that was given, as the server counts."""
    finished = FinishedJob.objects.using(case.using).aggregate(last=Max("pk"))["last"] or 0
    facts = {"last id given": last, "last id in history": finished}
    if last >= finished:
        return Finding("ids", Severity.OK, "New jobs get ids that no job has had.", facts)
    return Finding(
        "ids-behind-history",
        Severity.ERROR,
        "New jobs get ids that history already has.",
        facts,
        remedy.format(last=finished, next=finished + 1),
    )
