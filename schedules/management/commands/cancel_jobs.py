"""`manage.py cancel_jobs`: end all jobs in the queue that match, and ask those that run to stop."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from schedules.management.of_jobs import VerbCommand, explained
from worker.handles.verbs import cancelling
from worker.models import Job


class Command(VerbCommand):
    help = "End all jobs in the queue that match. Those that run are asked to stop."
    tables = (Job,)
    of_finished = False
    verb_name, done, skipped = "Cancel", "Cancelled", "that had finished"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="", metavar="TEXT", help="why, for people who look at them later")

    def handle(self, *args: Any, **options: Any) -> None:
        with explained():
            try:
                verb = cancelling(options["reason"])
            except ValueError as fault:
                raise CommandError(f"--{fault}") from fault
            self.do(verb, self.filters(options, everything=options["everything"]), options)
