"""Somebody who enqueues at a steady rate: `python -m tests.benchmarks.flow SECONDS`, in a process of its own."""

from __future__ import annotations

import sys
import time
from importlib import import_module

import django

RATE = 2000
"""Jobs a second."""
PER_BATCH = 20
PRIORITIES = (0, 5, -5)
QUEUES = ("default", "mail")


def main(seconds: int) -> None:
    django.setup()
    nothing = import_module("tests.app.tasks").nothing
    begun = time.monotonic()
    for batch in range(seconds * RATE // PER_BATCH):
        time.sleep(max(0.0, begun + batch * PER_BATCH / RATE - time.monotonic()))
        some = nothing.using(priority=PRIORITIES[batch % 3], queue=QUEUES[batch % 2])
        some.enqueue_many([((number,), {}) for number in range(PER_BATCH)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
