"""Which job has an id: the one in the queue or, where there is none, the one in history.

They are asked in this order. So a job is found that ends between the two questions; and where a sequence was set back
and there is one in each, the one in the queue counts.
"""

from __future__ import annotations

from worker.dialects.by_key import row_by_key
from worker.messages.expected import GREATEST_ID, is_whole
from worker.models import FinishedJob, Job


def find(id: object, using: str) -> Job | FinishedJob | None:
    """None also for what can be no id."""
    if not is_whole(id, 1, GREATEST_ID):
        return None
    return row_by_key(Job, id, using) or row_by_key(FinishedJob, id, using)
