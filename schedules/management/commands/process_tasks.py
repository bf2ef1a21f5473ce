"""`manage.py process_tasks`: work, and lead if it may. Puts leader, worker and listener together."""

from __future__ import annotations

import atexit
import gc
import sys
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils import autoreload

from schedules.commandline.flags import refuse_ignored
from schedules.commandline.pipes import quiet_when_unread
from schedules.commandline.terminal import colours_of, screen_of
from schedules.leader import Leader
from schedules.leader.alive import last_sign
from schedules.leader.projects import own_project
from schedules.models import Schedule
from worker import log, wakeup
from worker.messages.echo import quoted
from worker.options import options as project_options
from worker.process import init
from worker.process.crew import Crew
from worker.process.departure import departing
from worker.process.reloading import CHANGED, code, when_changed
from worker.process.supervisor import Supervisor, when_orphaned
from worker.process.worker import Worker
from worker.tasks import queue_problem
from worker.wakeup.listening import Listener


class Command(BaseCommand):
    help = "Run background jobs. With --leader, also turn schedules into jobs whenever no other process does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--leader",
            action="store_true",
            help="lead if no other process does; give it to as many processes as you like",
        )
        parser.add_argument("--leader-only", action="store_true", help="lead or stand by, and run no jobs")
        parser.add_argument(
            "--queue",
            action="append",
            default=[],
            metavar="Q",
            help="run jobs of this queue only; repeatable",
        )
        parser.add_argument(
            "--threads", type=_positive_int, metavar="N", help="jobs to run at once (SCHEDULER['THREADS'])"
        )
        parser.add_argument("--processes", type=_positive_int, default=1, metavar="N", help="worker processes to start")
        parser.add_argument("--supervised", action="store_true", help=SUPPRESS)
        parser.add_argument("--until-idle", action="store_true", help="run all that is due now, then exit")
        parser.add_argument("--duration", type=_seconds, metavar="S", help="stop after so many seconds")
        parser.add_argument("--sleep", type=_seconds, metavar="S", help="longest pause between two looks at the queue")
        parser.add_argument("--reload", action="store_true", help="restart when code changes (for development)")

    def run_from_argv(self, argv: list[str]) -> None:
        if init.is_needed():
            init.become_init(autoreload.get_child_arguments())
        atexit.register(gc.freeze)  # or Python would walk all of Django at its end, for 80 ms
        with departing(), quiet_when_unread():
            super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        if _begins_anew(options):  # each of its processes checks the code that it has, and ends if that is wrong
            options["skip_checks"] = True
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        if isinstance(options["queue"], str):  # by call_command
            options["queue"] = [options["queue"]]
        for fault in filter(None, map(queue_problem, options["queue"])):
            raise CommandError(f"--queue: {fault}")
        _refuse_ignored(options)
        _require_sessions(project_options().DATABASE)
        _require_tables(project_options().DATABASE)
        _close_connections()
        self._doubt_lists(options)
        if options["processes"] > 1 or _begins_anew(options):
            sys.exit(Supervisor(_supervised(), options["processes"], code if options["reload"] else None).run())
        # Of log lines, only failures are in red.
        self.stderr.style_func = None
        log.show(self.stderr, options["verbosity"], colours_of(screen_of(self.stderr, options)))
        with log.writing():
            crew = self._serve(**options)
        if crew.retired:
            sys.exit(CHANGED)

    def _doubt_lists(self, options: Mapping[str, Any]) -> None:
        """A queue may have a comma in its name, and hardly ever has one: then nothing would run, and nobody see why."""
        for name in options["queue"]:
            if "," in name and not options["supervised"]:
                flags = " ".join(f"--queue {each.strip()}" for each in name.split(",") if each.strip())
                self.stderr.write(f'--queue "{name}" is the name of one queue. For several, write {flags}.')

    def _serve(self, **options: Any) -> Crew:
        alias = project_options().DATABASE
        leads = options["leader"] or options["leader_only"]
        chief = Leader(alias) if leads else None
        worker = None if options["leader_only"] else _worker(alias, options)
        with ExitStack() as stack:
            stack.enter_context(Listener(alias, _hearers(chief, worker)))
            duties = _duties(chief, worker, until_idle=options["until_idle"])
            crew = Crew(duties, [each.stop for each in (chief, worker) if each])
            if options["supervised"]:
                when_orphaned(crew.stop)
            if options["reload"]:
                when_changed(crew.retire)
            stack.enter_context(_settled())
            _close_connections()
            crew.run(options["duration"])
        return crew


def _begins_anew(options: Mapping[str, Any]) -> bool:
    return bool(options["reload"] and not options["supervised"])


def _refuse_ignored(options: Mapping[str, Any]) -> None:
    if options["leader_only"]:
        several = {"processes": options["processes"] > 1}
        ignored = ("queue", "threads", "sleep", "processes")
        refuse_ignored({**options, **several}, ignored, beside="--leader-only", why="is one process and runs no jobs")


def _require_sessions(alias: str) -> None:
    """Of its own, which see what is committed. Without them it would wait for what it never sees."""
    connection: Any = connections[alias]
    if connection.in_atomic_block:
        raise CommandError(
            "process_tasks has database sessions of its own, which cannot see the transaction that is open here. "
            "In a TestCase, call schedules.testing.run_jobs(), or use TransactionTestCase."
        )
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        raise CommandError(
            f'The database "{alias}" is in memory, where several sessions cannot work side by side. '
            'In tests, call schedules.testing.run_jobs(), or give DATABASES a TEST["NAME"], which is a file.'
        )


def _require_tables(alias: str) -> None:
    if Schedule._meta.db_table not in connections[alias].introspection.table_names():
        raise CommandError(f'The tables are missing in database "{alias}". Run manage.py migrate --database {alias}.')


def _close_connections() -> None:
    """Those of this thread, which has asked what it wanted to know. Whoever calls from a transaction keeps theirs."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


@contextmanager
def _settled() -> Iterator[None]:
    """What has been loaded stays: no collection of garbage walks it, for 40 ms in which no slot could run.

    Nor does one before: it would find next to nothing, and the first job would wait for it.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _worker(alias: str, options: dict[str, Any]) -> Worker:
    return Worker(
        alias,
        threads=options["threads"] or project_options().THREADS,
        queues=options["queue"],
        longest_sleep=options["sleep"],
        until_idle=options["until_idle"],
        leader_sign=last_sign,
        project=own_project() if options["leader"] else "",
    )


def _duties(chief: Leader | None, worker: Worker | None, *, until_idle: bool) -> list[Callable[[], None]]:
    if not until_idle:
        return [each.run for each in (chief, worker) if each]

    def once() -> None:
        if chief:
            chief.run_once()
        if worker:
            worker.run()

    return [once]


def _hearers(chief: Leader | None, worker: Worker | None) -> dict[str, Callable[[], None]]:
    def wake_all() -> None:
        for each in (chief, worker):
            if each:
                each.wake()

    return {wakeup.LATER: wake_all, **({wakeup.READY: worker.wake} if worker else {})}


def _supervised() -> list[str]:
    """The same command, for one process under a supervisor."""
    return [*autoreload.get_child_arguments(), "--processes", "1", "--supervised"]


def _positive_int(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9]) >= 1 and len(text) < 9):
        raise ArgumentTypeError(f"{quoted(text)} is not a whole number from 1 on.")
    return int(text)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (number := float(text)) < float("inf"):
            return number
    raise ArgumentTypeError(f"{quoted(text)} is not a number of seconds above 0.")
