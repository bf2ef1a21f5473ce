"""`manage.py retry_jobs`: enqueue all finished jobs again that match and were never retried."""

from __future__ import annotations

from typing import Any

from schedules.management.of_jobs import VerbCommand, explained
from worker.handles.verbs import by_default, retrying
from worker.models import FinishedJob


class Command(VerbCommand):
    help = "Enqueue all finished jobs again that match: those that failed, unless --state or ids say otherwise."
    tables = (FinishedJob,)
    verb_name, done, skipped = "Retry", "Retried", "that were retried before"

    def handle(self, *args: Any, **options: Any) -> None:
        with explained():
            self.do(retrying(), by_default(self.filters(options, everything=options["everything"])), options)
