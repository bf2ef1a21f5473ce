"""Ours with faults. The kit is to find each of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from django.db import transaction

from worker import framework
from worker.backends import DatabaseBackend
from worker.framework import AnyResult, AnyTask


class BrokenBackend(DatabaseBackend):
    """Forgets queues, priority and run_after, stores what it refuses, tells twice, waits for a commit, finds no ids."""

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.queues = set()

    def enqueue(self, task: AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> AnyResult:
        forgetful = replace(task, priority=0, run_after=None)
        try:
            result = super().enqueue(forgetful, args, kwargs)
        except TypeError:
            super().enqueue(forgetful, args[:2], {})
            raise
        framework.task_enqueued.send(self, task_result=result)
        if transaction.get_connection().in_atomic_block:
            return replace(result, id="0")
        return result

    def get_result(self, result_id: str) -> AnyResult:
        return super().get_result(str(int(result_id)))


def never_ends() -> None:
    while True:
        time.sleep(0.1)


def never_ends_and_swallows_all() -> None:
    """For three interrupts."""
    for _ in range(3):
        with suppress(BaseException):
            never_ends()
