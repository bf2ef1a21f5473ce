"""What is measured, and the proof that the work was done: every job ran once, and the store has nothing left.

Each measure takes one run of one contender and returns samples by unit. Rates have one sample a run, latency many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.peers import record
from tests.benchmarks.peers.contenders import (
    DUE,
    ENQUEUED_IN_BULK,
    ENQUEUED_ONE_BY_ONE,
    SAMPLES,
    SCHEDULES,
    Contender,
)
from tests.benchmarks.peers.conversation import Failure, Table, Talk

Samples = dict[str, list[float]]

LONGEST_DRAIN = 60.0
_WARM_UP = 5


@dataclass(frozen=True)
class Measure:
    name: str
    title: str
    take: Callable[[Table], Samples]
    concerns: Callable[[Contender], bool]
    percentiles: bool = False
    smaller_is_better: bool = False


def enqueue(table: Table) -> Samples:
    with table.laid() as talk:
        return _rate(talk, "enqueue", ENQUEUED_ONE_BY_ONE)


def bulk(table: Table) -> Samples:
    with table.laid() as talk:
        return _rate(talk, "bulk", ENQUEUED_IN_BULK)


def drain(table: Table, *, processes: int, quiet: bool = False) -> Samples:
    jobs = table.contender.drained
    with table.laid() as talk:
        talk.ask("bulk" if table.contender.has_bulk else "enqueue", jobs)
        table.settle()
        with talk.running("work_quietly" if quiet else "work", processes=processes):
            talk.wait_for(jobs, LONGEST_DRAIN)
        starts = _starts_of_each_once(talk, jobs)
        used = record.processor_seconds(talk.notes)
    return {"jobs/s": [(jobs - 1) / (starts[-1] - starts[0])], "worker µs/job": [used / jobs * 1e6]}


def latency(table: Table) -> Samples:
    """From the call that enqueues to the start of the job, while the worker has nothing else to do."""
    jobs = SAMPLES + _WARM_UP
    with table.laid() as talk, talk.running("work"):
        called = talk.ask("enqueue_now_and_then", jobs, table.contender.pause)["called"]
        talk.wait_for(jobs, LONGEST_DRAIN)
        starts = _starts(talk, jobs)
    return {"ms": [1e3 * (starts[number] - called[number]) for number in range(_WARM_UP, jobs)]}


def schedules(table: Table) -> Samples:
    """From the instant at which they are due until all of them are enqueued."""
    clock = table.contender.clock
    assert clock
    with table.laid("declare", SCHEDULES, 0, time.time() + 86_400) as talk:
        instant = float(int(time.time() + clock.ready_in) + 2)
        if clock.at == "the minute":
            instant += -instant % 60
        talk.ask("declare", SCHEDULES, DUE, instant)
        with talk.running("lead", SCHEDULES, DUE, instant):
            if clock.at == "the start":
                instant = time.time()
            seen = talk.ask("watch", DUE, instant, clock.patience)
    if seen["enqueued"] != DUE:
        raise Failure(f"{seen['enqueued']:,} of {DUE:,} were enqueued within {seen['seconds']:.0f} s")
    return {"ms": [1e3 * seen["seconds"]]}


def _works(contender: Contender) -> bool:
    return contender.drained > 0


MEASURES = [
    Measure("enqueue", f"Enqueue one by one ({ENQUEUED_ONE_BY_ONE:,} jobs)", enqueue, concerns=_works),
    Measure("bulk", f"Enqueue in bulk ({ENQUEUED_IN_BULK:,} jobs)", bulk, concerns=lambda each: each.has_bulk),
    Measure(
        "drain", "Drain, one worker process, with the log of its command", partial(drain, processes=1), concerns=_works
    ),
    Measure(
        "quiet", "Drain, one worker process, warnings only", partial(drain, processes=1, quiet=True), concerns=_works
    ),
    Measure(
        "drain2",
        "Drain, two worker processes, with the log of their command",
        partial(drain, processes=2),
        concerns=_works,
    ),
    Measure(
        "latency",
        "Idle latency, from the call that enqueues to the start of the job",
        latency,
        concerns=_works,
        percentiles=True,
        smaller_is_better=True,
    ),
    Measure(
        "schedules",
        f"{DUE:,} of {SCHEDULES:,} schedules due at one instant, until all are enqueued",
        schedules,
        concerns=lambda each: each.clock is not None,
        smaller_is_better=True,
    ),
]


def _rate(talk: Talk, command: str, jobs: int) -> Samples:
    seconds = talk.ask(command, jobs)["seconds"]
    if (left := talk.ask("left")["left"]) != jobs:
        raise Failure(f"{left:,} of {jobs:,} jobs are in the store")
    return {"jobs/s": [jobs / seconds]}


def _starts_of_each_once(talk: Talk, jobs: int) -> list[float]:
    return sorted(_starts(talk, jobs).values())


def _starts(talk: Talk, jobs: int) -> dict[int, float]:
    """When each job began. Raises Failure unless each began once."""
    notes = record.starts(talk.notes)
    if sorted(number for number, _ in notes) != list(range(jobs)):
        raise Failure(f"{len(notes):,} starts of {len(dict(notes)):,} different jobs, where {jobs:,} were enqueued")
    return dict(notes)
