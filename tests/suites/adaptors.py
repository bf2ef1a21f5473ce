"""What stands in place of the two backends that come with Django, so that its tests of them try ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schedules.testing import run_jobs
from worker.backends import DatabaseBackend
from worker.framework import AnyResult, AnyTask
from worker.models import FinishedJob, Job


class DrainingBackend(DatabaseBackend):
    """In place of the immediate one: a Task has run when its enqueueing returns."""

    def enqueue(self, task: AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> AnyResult:
        result = super().enqueue(task, args, kwargs)
        run_jobs()
        result.refresh()
        return result


class ListingBackend(DatabaseBackend):
    """In place of the dummy one: what was enqueued can be listed, and forgotten."""

    @property
    def results(self) -> list[AnyResult]:
        return [self.get_result(str(pk)) for pk in Job.objects.order_by("pk").values_list("pk", flat=True)]

    def clear(self) -> None:
        Job.objects.all().delete()
        FinishedJob.objects.all().delete()
