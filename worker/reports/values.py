"""What one run reports, on its way into the table."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from worker.current.progress import Told
from worker.reports.log_text import LogText
from worker.values import ClaimedJob

Hold = tuple[int, int]
"""Id and claim of a job: this hold of it, and no other."""


class Report(NamedTuple):
    """The newest that one run has told."""

    job: ClaimedJob
    at: datetime
    progress: Told | None = None
    """None: it has told nothing new of that."""
    log: LogText | None = None
    in_ascii: bool = False
    """For a database whose character set has not all letters."""

    def text(self, given: str) -> str:
        return given.encode("ascii", "backslashreplace").decode() if self.in_ascii else given
