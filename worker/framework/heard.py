"""Whether anybody hears that a Task has started or has succeeded: only then a `TaskResult` is made of it.

Django's own receivers of its signals do nothing but write to the log. Whoever else receives a signal hears all.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from worker.log.taken import is_taken

_own: set[int] = set()
"""By what signals know Django's own receivers. Those of the package django-tasks are like any others."""
with suppress(ImportError, AttributeError):
    from django.tasks import signals

    _own = {id(signals.log_task_started), id(signals.log_task_finished)}


def is_heard(signal: Any) -> bool:
    """By a receiver of the project or of a package, or in the log."""
    for key, *_ in signal.receivers:
        if key[0] not in _own:
            return True
    return bool(signal.receivers) and is_taken(signals.logger)
