"""What the commands about jobs share: their filters, their errors, and how many jobs are changed on which say-so."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from schedules.commandline.given import add_filters, filters_of
from schedules.commandline.pipes import quiet_when_unread
from schedules.commandline.terminal import count
from schedules.overview import UnknownName
from schedules.overview.names import id_of
from schedules.recurrence import InvalidRecurrence
from worker import masking
from worker.calls import TablesMissing
from worker.clock import database_now
from worker.handles import Counts, InvalidFilter, NoSuchJob
from worker.handles.filters import Filters, Table
from worker.handles.verbs import Verb
from worker.options import options as project_options

TOLD_EVERY = 0.2
"""Seconds between two words about the progress."""
FAULTS = (ImproperlyConfigured, InvalidFilter, InvalidRecurrence, NoSuchJob, TablesMissing, UnknownName)


class JobsCommand(BaseCommand):
    """A command that is given filters of jobs."""

    requires_system_checks = ()
    tables: tuple[Table, ...]
    of_finished = True
    """Whether it takes filters that only finished jobs have."""

    def add_arguments(self, parser: CommandParser) -> None:
        add_filters(parser, of_finished=self.of_finished)

    def run_from_argv(self, argv: list[str]) -> None:
        with quiet_when_unread():
            super().run_from_argv(argv)

    def filters(self, options: dict[str, Any], *, everything: bool) -> Filters:
        """everything: all jobs are meant where no filter is given."""
        using = project_options().DATABASE
        now = database_now(using)
        given = filters_of(options, project_options().time_zone, now)
        if options["schedule"] is not None:
            given["schedule_id"] = id_of(options["schedule"], using, now)
        if not given and not everything:
            raise CommandError("Nothing says which jobs are meant. Give a filter, or --everything for all of them.")
        if given and options.get("everything"):
            raise CommandError("--everything goes with no filter. Leave out one or the other.")
        return Filters.checked(given, self.name, self.tables, everything=not given)

    @property
    def name(self) -> str:
        return type(self).__module__.rpartition(".")[2]


class VerbCommand(JobsCommand):
    """A command that does something to all jobs that match."""

    verb_name: str
    """As in a question."""
    done: str
    """As in a report."""
    skipped: str
    """Why jobs are left as they are, behind their number."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--everything", action="store_true", help="all jobs, where no filter is given")
        parser.add_argument("--dry-run", action="store_true", help="say how many they are, and change nothing")
        parser.add_argument("--no-input", action="store_true", help="do not ask before jobs are changed")

    def do(self, verb: Verb, filters: Filters, options: dict[str, Any]) -> None:
        using = project_options().DATABASE
        expected = verb.count(verb.rows(filters, using))
        if not any(expected):
            self.stdout.write("No jobs match.")
        elif options["dry_run"]:
            self.stdout.write(f"Would {self.verb_name.lower()} {self._counted(expected)}")
        elif not (expected.done or expected.asked):
            self.stdout.write(f"{self.done} {self._counted(expected)}")
        elif not options["no_input"] and sys.stdin.isatty() and not self._agreed(expected):
            raise CommandError("Nothing was changed.")
        else:
            self.stdout.write(f"{self.done} {self._counted(self._all_done(verb, filters, expected))}")

    def _agreed(self, expected: Counts) -> bool:
        asked = f" and ask {expected.asked} that run to stop" if expected.asked else ""
        answer = input(f"{self.verb_name} {count(expected.done, 'job')}{asked}? [y/N] ")
        return answer.strip().lower() in ("y", "yes")

    def _all_done(self, verb: Verb, filters: Filters, expected: Counts) -> Counts:
        """Tells the progress on a terminal, on one line of stderr."""
        using, counts, told_at = project_options().DATABASE, Counts(), time.monotonic()
        shows = self.stderr.isatty()
        for portion in verb.portions(verb.rows(filters, using), using):
            counts = portion.added_to(counts)
            if shows and time.monotonic() - told_at >= TOLD_EVERY:
                told_at = time.monotonic()
                self.stderr.write(f"\r{self.done} {counts.done} of {expected.done} …", str, ending="")
                self.stderr.flush()
        if shows:
            self.stderr.write("\r\x1b[K", str, ending="")
        return counts

    def _counted(self, counts: Counts) -> str:
        skipped = f" Skipped {counts.skipped} {self.skipped}." if counts.skipped else ""
        asked = f" Asked {counts.asked} that run to stop." if counts.asked else ""
        return f"{count(counts.done, 'job')}.{asked}{skipped}"


@contextmanager
def explained() -> Iterator[None]:
    """Around the work of a command: what a person can mend is told without a traceback."""
    try:
        yield
    except FAULTS as fault:
        raise CommandError(str(fault)) from fault
    except OperationalError as error:
        alias = project_options().DATABASE
        raise CommandError(f'The database "{alias}" does not answer: {masking.text(str(error).strip())}') from error
