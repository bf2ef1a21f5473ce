"""`manage.py make_calls CLIENT COUNT`: a client of the queue, such as a web process is one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from tests.chaos.calls import Call, calls_of
from tests.chaos.tasks import count


class Command(BaseCommand):
    help = "Make calls as fast as they go, some of them in transactions that are rolled back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("client")
        parser.add_argument("count", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        for call in calls_of(options["client"], options["count"]):
            _make(call)


def _make(call: Call) -> None:
    with transaction.atomic():
        count.using(schedule=call.delay).enqueue(call.label)
        transaction.set_rollback(call.undone)
