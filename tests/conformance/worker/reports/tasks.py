"""Tasks that tell how far they are, and wait at a gate."""

from __future__ import annotations

import logging

from django.db import transaction

from schedules import background
from tests.app.models import Effect
from tests.app.tasks import gates
from worker import current_job

log = logging.getLogger("shop")
calls: list[str] = []
"""Who has come so far, of those that say so."""


def tell(done: float, total: float | None = None, note: str = "") -> None:
    job = current_job()
    assert job is not None
    job.progress(done, total, note)


@background
def tell_and_wait(gate: str, done: float, last: float) -> None:
    """Tell once, wait, and tell once more right before the end."""
    tell(done, 120, note=gate)
    gates[gate].wait(timeout=30)
    tell(last, 120, note=gate)


@background
def tell_twice_and_wait(gate: str) -> None:
    tell(1)
    gates[gate].wait(timeout=30)
    tell(2)
    calls.append(gate)
    gates[f"end of {gate}"].wait(timeout=30)


@background
def tell_in_a_transaction(gate: str, *, writes: bool) -> None:
    with transaction.atomic():
        if writes:
            Effect.objects.create(key=gate)
        tell(1, 2)
        gates[gate].wait(timeout=30)
        transaction.set_rollback(True)


@background(atomic=True)
def tell_atomically(gate: str) -> None:
    tell(1, 2)
    gates[gate].wait(timeout=30)
    tell(2, 2)


@background(atomic=True, log=True)
def read_and_tell_atomically(gate: str) -> None:
    gates[gate].wait(timeout=30)
    calls.append(gate)
    Effect.objects.count()  # from here on, SQLite would undo it for a write of anybody
    tell(1, 2)
    gates[f"end of {gate}"].wait(timeout=30)
    log.warning("from %s", gate)
    tell(2, 2)


@background(max_attempts=2, backoff=[0])
def tell_and_fail(done: float) -> None:
    tell(done)
    raise LookupError


@background
def tell_much(times: int) -> None:
    for done in range(times):
        tell(done + 1, times)


@background
def tell_nonsense() -> None:
    tell(float("nan"))
