"""`manage.py list_schedule`: what runs next, what ran, what is wrong. It reads, and changes nothing.

Decides what is asked for and what the output can show; finding it is the read model's business, drawing it the
table's.
"""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from schedules.commandline import contract, details, table
from schedules.commandline.flags import refuse_ignored
from schedules.commandline.given import instant, span
from schedules.commandline.look import Look
from schedules.commandline.pipes import quiet_when_unread
from schedules.commandline.terminal import screen_of, write
from schedules.describe import describe
from schedules.overview import Selection, UnknownName, health, overview
from schedules.overview.past_runs import history
from schedules.overview.values import Health, HistoryLine, NextRun, Overview
from schedules.recurrence import Cron, InvalidRecurrence, note
from schedules.recurrence.zones import check_timezone
from worker import masking
from worker.clock import database_now
from worker.messages.echo import quoted
from worker.options import options as project_options
from worker.tasks import queue_problem

RUNS = 6
MOST_RUNS = 1000
YEAR = timedelta(days=365)
LAST_YEAR = datetime.max.replace(tzinfo=UTC) - YEAR
NOT_CHECKED = ("next", "within", "paused", "failing", "timezone")
NOTHING_MATCHES = "Nothing matches."
NOTHING_DECLARED = (
    "No schedules yet. Declare one with @scheduled(repeat=HOURLY) in an app's tasks.py, or in settings.SCHEDULES."
)


class Command(BaseCommand):
    help = "List schedules and jobs by their next run, show one in detail, or preview a cron expression."
    # It must work where a check fails: what is declared wrongly is listed as a problem.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names",
            nargs="*",
            metavar="NAME",
            help="show these schedules in detail, by name or by the last part of a name",
        )
        parser.add_argument(
            "--next",
            type=_runs,
            metavar="N",
            help=f"the next N runs of each schedule (1 in the list, {RUNS} in detail)",
        )
        parser.add_argument("--within", type=span, metavar="24h", help="only what runs within that time")
        parser.add_argument("--queue", metavar="Q", help="only what runs on this queue")
        parser.add_argument("--paused", action="store_true", help="only paused schedules")
        parser.add_argument("--failing", action="store_true", help="only schedules that have a problem")
        zones = parser.add_mutually_exclusive_group()
        zones.add_argument("--timezone", metavar="Z", help="show all times in this zone; with --cron, read it there")
        zones.add_argument("--utc", action="store_const", const="UTC", dest="timezone", help="show all times in UTC")
        parser.add_argument("--json", action="store_true", help="write JSON, as the documentation describes it")
        parser.add_argument("--check", action="store_true", help="exit with 1 and the reasons if something is wrong")
        parser.add_argument("--cron", metavar="EXPR", help="preview a cron expression, without any database")
        parser.add_argument("--name", metavar="NAME", help="with --cron: the schedule from whose name H draws")
        parser.add_argument("--after", metavar="ISO", help="with --cron: from this instant or date on")

    def run_from_argv(self, argv: list[str]) -> None:
        with quiet_when_unread():
            super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        selection = _selection(options)
        try:
            if options["cron"] is None:
                self._list(selection, options)
            else:
                self._preview(selection, options)
        except (ImproperlyConfigured, InvalidRecurrence, UnknownName) as fault:
            raise CommandError(str(fault)) from fault
        except OperationalError as error:
            alias = project_options().DATABASE
            raise CommandError(f'The database "{alias}" does not answer: {masking.text(str(error).strip())}') from error

    def _list(self, selection: Selection, options: Mapping[str, Any]) -> None:
        for option in ("after", "name"):
            if options[option] is not None:
                raise CommandError(f"--{option} goes with --cron.")
        if options["json"]:
            refuse_ignored(
                {"timezone": options["timezone"] not in (None, "UTC")}, ["timezone"], beside="--json", why="writes UTC"
            )
        found: Health | Overview
        if options["check"] and not options["json"]:
            refuse_ignored(options, NOT_CHECKED, beside="--check", why="hides no problem and shows no times")
            found = self._check(selection, options)
        else:
            found = self._show(selection, options)
        if options["check"] and found.problems:
            sys.exit(1)

    def _check(self, selection: Selection, options: Mapping[str, Any]) -> Health:
        alias = project_options().DATABASE
        found = health(alias, database_now(alias), selection)
        write(self.stdout, table.verdict(found, screen_of(self.stdout, options)))
        return found

    def _show(self, selection: Selection, options: Mapping[str, Any]) -> Overview:
        look, alias = self._look(options), project_options().DATABASE
        in_detail = options["json"] or selection.names
        runs = options["next"] or (RUNS if in_detail else 1)
        found = overview(alias, database_now(alias), runs, selection)
        histories = _histories(alias, found) if selection.names else {}
        if options["json"]:
            write(self.stdout, [contract.listing(found, histories)])
        elif selection.names:
            write(self.stdout, _details(found, histories, look))
        else:
            empty = NOTHING_DECLARED if selection.is_everything else NOTHING_MATCHES
            write(self.stdout, table.listing(found, look, empty=empty))
        return found

    def _preview(self, selection: Selection, options: Mapping[str, Any]) -> None:
        if options["check"] or not selection.is_everything:
            raise CommandError("With --cron go --timezone, --utc, --name, --after, --next and --json, and no others.")
        look = self._look(options)
        now = datetime.now(UTC)
        cron = Cron(options["cron"], look.timezone, name=options["name"] or "")
        after = now if options["after"] is None else _instant(options["after"], look.timezone)
        instants = islice(cron.between(after, datetime.max.replace(tzinfo=UTC)), options["next"] or RUNS)
        runs = [NextRun(at, note(cron, at)) for at in instants]
        description = describe(cron, project_options().time_zone)
        if options["json"]:
            write(self.stdout, [contract.preview(cron, description, runs)])
        else:
            changes = list(cron.clock_changes(after, min(after, LAST_YEAR) + YEAR))
            write(self.stdout, details.preview(cron, description, runs, changes, look, now))

    def _look(self, options: Mapping[str, Any]) -> Look:
        given = options["timezone"]
        return Look(
            timezone=check_timezone(project_options().time_zone if given is None else given),
            converts=given is not None,
            screen=screen_of(self.stdout, options),
        )


def _selection(options: Mapping[str, Any]) -> Selection:
    if options["queue"] is not None and (fault := queue_problem(options["queue"])):
        raise CommandError(f"--queue: {fault}")
    return Selection(
        names=tuple(options["names"]),
        queue=options["queue"],
        paused=options["paused"],
        failing=options["failing"],
        within=options["within"],
    )


def _histories(alias: str, found: Overview) -> dict[str, tuple[HistoryLine, ...]]:
    return {each.name: history(alias, each.id, found.now) for each in found.schedules if each.id is not None}


def _details(found: Overview, histories: Mapping[str, tuple[HistoryLine, ...]], look: Look) -> Iterator[str]:
    for number, schedule in enumerate(found.schedules):
        if number:
            yield ""
        running = [job for job in found.running if job.schedule == schedule.name]
        yield from details.details(schedule, histories.get(schedule.name, ()), running, look, found.now)


# What options may be given


def _runs(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= MOST_RUNS):
        raise ArgumentTypeError(f"{quoted(text)} is not a number from 1 to {MOST_RUNS}.")
    return int(text)


def _instant(text: str, zone: str) -> datetime:
    if (at := instant(text, zone)) is None:
        raise CommandError(
            f"--after is {quoted(text)}, but must be a date, or a time with its offset: 2026-03-28T12:00:00+01:00."
        )
    return at
