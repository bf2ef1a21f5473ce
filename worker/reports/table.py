"""The table of reports: a row for each job that has reported, under the id of the job. Others have none.

A report of a run is written only while that run holds its job. The row of the job is locked meanwhile, so a worker that
was taken for dead cannot write over what the next one reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from django.db import connections, transaction

from worker.current.progress import Progress
from worker.models import FinishedJob, Job, JobReport
from worker.reports.values import Hold, Report

PROGRESS = ("attempt", "done", "total", "note", "progress_at")
LOG = ("log",)
"""Columns."""


def write(using: str, reports: Collection[Report], *, waits: bool) -> set[Hold]:
    """Write reports of jobs that their runs hold, in one transaction. Returns of which it wrote one.

    waits: for whoever has locked the row of a job. Otherwise such a report is passed over.
    """
    with transaction.atomic(using=using):
        jobs = Job.objects.using(using).filter(pk__in=[each.job.id for each in reports])
        held = set(jobs.select_for_update(skip_locked=not waits).values_list("pk", "claim"))
        written = [each for each in reports if each.job.hold in held]
        _put(using, written)
    return {each.job.hold for each in written}


def write_of_finished(using: str, reports: Collection[Report]) -> set[Hold]:
    """The same for runs that have put their jobs into history themselves, so that nobody else can have them."""
    with transaction.atomic(using=using):
        finished = FinishedJob.objects.using(using).filter(pk__in=[each.job.id for each in reports])
        there = set(finished.values_list("pk", flat=True))
        written = [each for each in reports if each.job.id in there]
        _put(using, written)
    return {each.job.hold for each in written}


def progress_of(row: JobReport | None) -> Progress | None:
    if row is None or row.done is None or row.progress_at is None:
        return None
    total = None if row.total is None else _plain(row.total)
    return Progress(_plain(row.done), total, row.note, row.progress_at, row.attempt or 1)


def progress_by_job(using: str, ids: Sequence[int]) -> dict[int, Progress]:
    """By id of the job, for those that have told how far they are. It reads no log. Of no ids, nothing is asked."""
    rows = JobReport.objects.using(using).defer(*LOG).in_bulk(ids)
    return {id: told for id, row in rows.items() if (told := progress_of(row))}


def find(using: str, ids: Iterable[int]) -> dict[int, JobReport]:
    """By id of the job, for those that have reported."""
    return JobReport.objects.using(using).in_bulk([*ids])


def _put(using: str, reports: Sequence[Report]) -> None:
    """In the order of the keys, as all who lock several."""
    logs = {each.job.id: each.log for each in reports if each.log is not None and each.log.before is None}
    if logs:  # the first lines of a run stand below those of earlier attempts
        kept = dict(JobReport.objects.using(using).filter(pk__in=logs).values_list("pk", "log"))
        for id, log in logs.items():
            log.before = kept.get(id) or ""
    names_key = connections[using].vendor != "mysql"  # which takes any key that is there already
    for columns, some in groupby(sorted(reports, key=lambda each: (_columns(each), each.job.id)), _columns):
        JobReport.objects.using(using).bulk_create(
            [JobReport(id=each.job.id, **_values(each)) for each in some],
            update_conflicts=True,
            update_fields=columns,
            unique_fields=["id"] if names_key else None,
        )


def _columns(report: Report) -> tuple[str, ...]:
    return (*(PROGRESS if report.progress else ()), *(LOG if report.log else ()))


def _values(report: Report) -> dict[str, object]:
    values: dict[str, object] = {}
    if report.progress is not None:
        done, total, note = report.progress
        row = (report.job.attempts + 1, done, total, report.text(note), report.at)
        values |= dict(zip(PROGRESS, row, strict=True))
    if report.log is not None:
        values["log"] = report.text(report.log.whole())
    return values


def _plain(number: float) -> float:
    return int(number) if number.is_integer() else number
