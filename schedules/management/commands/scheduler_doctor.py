"""`manage.py scheduler_doctor`: what is wrong with the running installation, and what to do. It changes nothing.

The exit code is 1 if there is anything to do, warnings included: as with `list_schedule --check`, whose reasons are
all among the findings, so that the two never disagree, and because what is only a warning tonight (an open
transaction, a queue that nobody drains) is tomorrow's outage. `--fail-level error` is for a monitor that wakes people.
What the server hides for want of a privilege changes no exit code: it would never change back. Our own tables must be
readable.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connections

from schedules.commandline.pipes import quiet_when_unread
from schedules.commandline.terminal import screen_of, write
from schedules.doctor import examine
from schedules.doctor.findings import Case, Severity
from schedules.doctor.report import as_json, lines
from worker import masking
from worker.clock import database_now
from worker.messages.echo import quoted
from worker.options import options as project_options

FAILS_AT = {"warning": (Severity.WARNING, Severity.ERROR), "error": (Severity.ERROR,)}


class Command(BaseCommand):
    help = "Examine the running installation: what is wrong, the facts that show it, and what to do about it."
    # It must work where a check fails: that is one of its findings.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="write JSON, as the documentation describes it")
        parser.add_argument("--database", metavar="ALIAS", help="examine this one (SCHEDULER['DATABASE'])")
        parser.add_argument(
            "--fail-level",
            choices=list(FAILS_AT),
            default="warning",
            metavar="LEVEL",
            help=f"exit with 1 from this severity on: {' or '.join(FAILS_AT)}",
        )

    def run_from_argv(self, argv: list[str]) -> None:
        with quiet_when_unread():
            super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            alias = options["database"] or project_options().DATABASE
            if alias not in connections:
                raise CommandError(f"--database is {quoted(alias)}, but must be one of {', '.join(connections)}.")
            report = examine(Case(alias, database_now(alias), partial(datetime.now, UTC)))
        except ImproperlyConfigured as fault:
            raise CommandError(str(fault)) from fault
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database does not answer: {masking.text(str(error).strip())}") from error
        write(self.stdout, [as_json(report)] if options["json"] else lines(report, screen_of(self.stdout, options)))
        if any(report.count(severity) for severity in FAILS_AT[options["fail_level"]]):
            sys.exit(1)
