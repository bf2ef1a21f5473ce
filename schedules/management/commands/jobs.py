"""`manage.py jobs`: the newest jobs that match, in the queue and in history, or the log of one of them.

It reads, and changes nothing.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser

from schedules.commandline import jobs
from schedules.commandline.flags import refuse_ignored
from schedules.commandline.given import INSTANTS
from schedules.commandline.look import Look
from schedules.commandline.terminal import screen_of, write
from schedules.management.of_jobs import JobsCommand, explained
from schedules.overview.names import names_of
from schedules.recurrence.zones import check_timezone
from worker.clock import database_now
from worker.handles import get
from worker.handles.listing import newest
from worker.messages.echo import quoted
from worker.models import FinishedJob, Job, JobState
from worker.options import options as project_options
from worker.reports import progress_by_job

SHOWN = 20
MOST_SHOWN = 10_000
BESIDE_NO_LOG = ("json", "task", "queue", "state", "schedule", "creator", "verbose_name", "error", *INSTANTS)


class Command(JobsCommand):
    help = "List jobs, the newest first: those in the queue, and those that are finished."
    tables = (Job, FinishedJob)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--limit", type=_limit, default=SHOWN, metavar="N", help=f"so many ({SHOWN})")
        parser.add_argument("--log", action="store_true", help="with one ID: write what that job has logged")
        parser.add_argument("--json", action="store_true", help="write JSON, as the documentation describes it")

    def handle(self, *args: Any, **options: Any) -> None:
        with explained():
            if options["log"]:
                self._write_log(options)
            else:
                self._list(options)

    def _list(self, options: dict[str, Any]) -> None:
        using, filters = project_options().DATABASE, self.filters(options, everything=True)
        now, found = database_now(using), newest(filters, options["limit"], using)
        names = names_of({job.schedule_id for job in found if job.schedule_id is not None}, using)
        shown = found if options["json"] else [job for job in found if job.state == JobState.RUNNING]
        told = progress_by_job(using, [job.pk for job in shown])
        if options["json"]:
            write(self.stdout, [jobs.listing(found, names, told, now)])
        elif found:
            look = Look(
                check_timezone(project_options().time_zone), converts=True, screen=screen_of(self.stdout, options)
            )
            write(self.stdout, jobs.lines(found, names, told, look, now, most=options["limit"]))
        else:
            self.stdout.write("No jobs match.")

    def _write_log(self, options: dict[str, Any]) -> None:
        refuse_ignored(options, BESIDE_NO_LOG, beside="--log", why="writes the log of one job")
        if len(options["ids"]) != 1:
            raise CommandError(
                f"--log goes with the id of one job, but {len(options['ids'])} are given: jobs 4711 --log."
            )
        (id,) = options["ids"]
        log = get(id).log
        if not log:
            raise CommandError(f"Job #{id} has no log. With log=True in its declaration, a task keeps what it logs.")
        write(self.stdout, log.split("\n"))


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= MOST_SHOWN):
        raise ArgumentTypeError(f"{quoted(text)} is not a number from 1 to {MOST_SHOWN}.")
    return int(text)
