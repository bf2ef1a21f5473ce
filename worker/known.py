"""Whether a job can run in this process."""

from __future__ import annotations

from worker import tasks
from worker.values import ClaimedJob


def is_known(job: ClaimedJob) -> bool:
    """The module of a Task of Django's framework is imported to find out, for any module may have one."""
    return _is_known_task(job.task) if _is_of_framework(job) else tasks.is_registered(job.task)


def _is_of_framework(job: ClaimedJob) -> bool:
    return job.task_options is not None and '"backend"' in job.task_options


def _is_known_task(name: str) -> bool:
    try:
        from worker.framework import declared  # a project that has no such Tasks need not have the framework
    except ModuleNotFoundError:
        return tasks.is_registered(name)
    return tasks.is_registered(name) or declared.discover(name)
