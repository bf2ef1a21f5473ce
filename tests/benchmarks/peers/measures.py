"""What is measured, and the proof that the work was done: every job ran once, and the store has nothing left.

Each measure takes one run of one contender and returns samples by unit. Rates have one sample a run, latency many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.peers import chores, record
from tests.benchmarks.peers.contenders import (
    COMPUTED,
    DUE,
    ENQUEUED_IN_BULK,
    ENQUEUED_ONE_BY_ONE,
    RESULTS,
    SAMPLES,
    SCHEDULES,
    Contender,
    Framework,
)
from tests.benchmarks.peers.conversation import Failure, Table, Talk

Samples = dict[str, list[float]]

LONGEST_DRAIN = 60.0
_WARM_UP = 5


@dataclass(frozen=True)
class Measure:
    name: str
    """The word before a hyphen is that of all which are chosen together."""
    title: str
    group: str
    heading: str
    """Of its column in the table of its group."""
    take: Callable[[Table], Samples]
    concerns: Callable[[Contender], bool]
    percentiles: bool = False
    smaller_is_better: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """By which it is chosen."""
        return self.name, self.name.partition("-")[0]


def enqueue(table: Table) -> Samples:
    with table.laid() as talk:
        return _rate(talk, "enqueue", ENQUEUED_ONE_BY_ONE)


def bulk(table: Table) -> Samples:
    with table.laid() as talk:
        return _rate(talk, "bulk", ENQUEUED_IN_BULK)


@dataclass(frozen=True)
class Work:
    """What is drained, and by what. `slots`: jobs at once in each process; none: as the queue is set otherwise."""

    jobs: Callable[[Contender], int | None]
    chore: str = chores.NOTHING
    processes: int = 1
    slots: int | None = None
    quiet: bool = False


def drain(table: Table, work: Work) -> Samples:
    """From the beginning of the first job to the end of the last."""
    jobs = work.jobs(table.contender)
    assert jobs
    writes = work.chore in chores.WRITES
    with table.laid("make_table" if writes else "prepare", chore=work.chore) as talk:
        talk.ask("bulk" if table.contender.has_bulk else "enqueue", jobs)
        samples = _let_work(table, talk, jobs, work.slots, work.processes, quiet=work.quiet)
        if writes and (rows := talk.ask("written")["rows"]) != jobs:
            raise Failure(f"{jobs:,} jobs wrote {rows:,} rows")
    return samples


def enqueue_tasks(table: Table) -> Samples:
    with table.laid() as talk:
        return _rate(talk, "enqueue_tasks", ENQUEUED_ONE_BY_ONE)


def drain_tasks(table: Table, chore: str = chores.NOTHING, processes: int = 1) -> Samples:
    """The same for Tasks of Django's framework, by the worker of its backend."""
    framework = _framework(table)
    with table.laid(chore=chore) as talk:
        talk.ask("enqueue_tasks_at_once", framework.drained)
        return _let_work(table, talk, framework.drained, framework.slots, processes)


def get_results(table: Table, results: int = RESULTS) -> Samples:
    """Of Tasks that have succeeded, one by one, in a process that has not seen them."""
    with table.laid(chore=chores.GIVE) as talk:
        talk.ask("enqueue_tasks_at_once", results)
        _let_work(table, talk, results, _framework(table).slots)
        asked = talk.ask("get_results")
    if asked["as_expected"] != results:
        raise Failure(f"{asked['as_expected']:,} of {results:,} Tasks have the result that they returned")
    return {"results/s": [results / asked["seconds"]]}


def latency(table: Table) -> Samples:
    """From the call that enqueues to the start of the job, while the worker has nothing else to do."""
    jobs = SAMPLES + _WARM_UP
    with table.laid() as talk, talk.running("work"):
        called = talk.ask("enqueue_now_and_then", jobs, table.contender.pause)["called"]
        talk.wait_for(jobs, LONGEST_DRAIN)
        runs = _one_of_each(talk, jobs)
    return {"ms": [1e3 * (runs[number].began - called[number]) for number in range(_WARM_UP, jobs)]}


def start(table: Table) -> Samples:
    """From the call that starts Python to the start of a job that waits, which the system's caches have seen before."""
    with table.laid() as talk:
        talk.ask("enqueue", 1)
        called = time.perf_counter()
        with talk.running("work_at_once"):
            talk.wait_for(1, LONGEST_DRAIN)
        return {"ms": [1e3 * (_one_of_each(talk, 1)[0].began - called)]}


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


def _drained(contender: Contender) -> int | None:
    return contender.drained


def _worked(contender: Contender) -> int | None:
    return contender.worked


def _computed(contender: Contender) -> int | None:
    return COMPUTED if contender.worked else None


def _everybody(contender: Contender) -> bool:
    return True


def _draining(name: str, title: str, group: str, heading: str, work: Work) -> Measure:
    def concerns(contender: Contender) -> bool:
        return work.jobs(contender) is not None

    return Measure(name, title, group, heading, partial(drain, work=work), concerns)


def _is_backend(contender: Contender) -> bool:
    return contender.framework is not None


_NOTHING = "Jobs a second that do nothing"
_SOMETHING = "Jobs a second that do something"
_TASKS = "Tasks of Django's framework, a second"
_TIMES = "Milliseconds"

MEASURES = [
    Measure(
        "enqueue",
        f"Enqueue one by one ({ENQUEUED_ONE_BY_ONE:,} jobs)",
        _NOTHING,
        "enqueue, one by one",
        enqueue,
        _everybody,
    ),
    Measure(
        "bulk",
        f"Enqueue in bulk ({ENQUEUED_IN_BULK:,} jobs)",
        _NOTHING,
        "enqueue, in bulk",
        bulk,
        lambda each: each.has_bulk,
    ),
    _draining(
        "drain",
        "Drain, one worker process, with the log of its command",
        _NOTHING,
        "drain",
        Work(_drained),
    ),
    _draining(
        "quiet",
        "Drain, one worker process, warnings only",
        _NOTHING,
        "drain, warnings only",
        Work(_drained, quiet=True),
    ),
    _draining(
        "drain2",
        "Drain, two worker processes, with the log of their command",
        _NOTHING,
        "drain, two processes",
        Work(_drained, processes=2),
    ),
    _draining(
        "insert",
        "Insert a row, ten at once",
        _SOMETHING,
        "insert a row",
        Work(_worked, chores.INSERT, slots=10),
    ),
    _draining(
        "atomic",
        "Insert a row in a transaction, ten at once",
        _SOMETHING,
        "in a transaction",
        Work(_worked, chores.INSERT_ATOMICALLY, slots=10),
    ),
    _draining(
        "sleep",
        "Sleep for 10 ms, fifty at once",
        _SOMETHING,
        "sleep for 10 ms",
        Work(_worked, chores.SLEEP, slots=50),
    ),
    _draining(
        "compute1",
        "Compute for 20 ms, two worker processes, one at once in each",
        _SOMETHING,
        "compute for 20 ms",
        Work(_computed, chores.COMPUTE, processes=2, slots=1),
    ),
    _draining(
        "compute4",
        "Compute for 20 ms, two worker processes, four at once in each",
        _SOMETHING,
        "the same, four at once",
        Work(_computed, chores.COMPUTE, processes=2, slots=4),
    ),
    Measure(
        "tasks-enqueue",
        f"Tasks of Django's framework: enqueue one by one ({ENQUEUED_ONE_BY_ONE:,} Tasks)",
        _TASKS,
        "enqueue, one by one",
        enqueue_tasks,
        _is_backend,
    ),
    Measure(
        "tasks-drain",
        "Tasks of Django's framework: drain, one worker process, with the log of its command",
        _TASKS,
        "drain",
        drain_tasks,
        _is_backend,
    ),
    Measure(
        "tasks-drain2",
        "Tasks of Django's framework: drain, two worker processes, with the log of their command",
        _TASKS,
        "drain, two processes",
        partial(drain_tasks, processes=2),
        _is_backend,
    ),
    Measure(
        "tasks-give",
        "Tasks of Django's framework: drain, one worker process, each returns a kibibyte",
        _TASKS,
        "drain, with results of 1 KiB",
        partial(drain_tasks, chore=chores.GIVE),
        _is_backend,
    ),
    Measure(
        "tasks-get",
        f"Tasks of Django's framework: get_result, one by one ({RESULTS:,} results of a kibibyte)",
        _TASKS,
        "get_result of 1 KiB",
        get_results,
        _is_backend,
    ),
    Measure(
        "latency",
        "Idle latency, from the call that enqueues to the start of the job",
        _TIMES,
        "idle latency, p50 / p95 / p99",
        latency,
        _everybody,
        percentiles=True,
        smaller_is_better=True,
    ),
    Measure(
        "start",
        "From the start of the worker's process to the start of a job that waits",
        _TIMES,
        "start of a worker",
        start,
        _everybody,
        smaller_is_better=True,
    ),
    Measure(
        "schedules",
        f"{DUE:,} of {SCHEDULES:,} schedules due at one instant, until all are enqueued",
        _TIMES,
        "schedules due",
        schedules,
        lambda each: each.clock is not None,
        smaller_is_better=True,
    ),
]


NAMES = list(dict.fromkeys(name for each in MEASURES for name in each.names))


def chosen(names: Sequence[str]) -> list[Measure]:
    """No name chooses all."""
    return [each for each in MEASURES if not names or set(each.names) & set(names)]


def _rate(talk: Talk, command: str, jobs: int) -> Samples:
    seconds = talk.ask(command, jobs)["seconds"]
    if (left := talk.ask("left")["left"]) != jobs:
        raise Failure(f"{left:,} of {jobs:,} jobs are in the store")
    return {"jobs/s": [jobs / seconds]}


def _framework(table: Table) -> Framework:
    framework = table.contender.framework
    assert framework
    return framework


def _let_work(
    table: Table, talk: Talk, jobs: int, slots: int | None, processes: int = 1, *, quiet: bool = False
) -> Samples:
    """Until nothing is left of what has been enqueued. Raises Failure."""
    table.settle()
    with talk.running("work_quietly" if quiet else "work", *filter(None, [slots]), processes=processes):
        talk.wait_for(jobs, LONGEST_DRAIN)
    runs = _one_of_each(talk, jobs).values()
    used = record.processor_seconds(talk.notes)
    seconds = max(each.ended for each in runs) - min(each.began for each in runs)
    return {"jobs/s": [jobs / seconds], "worker µs/job": [used / jobs * 1e6]}


def _one_of_each(talk: Talk, jobs: int) -> dict[int, record.Run]:
    """The run of each job. Raises Failure unless each ran once."""
    runs = record.runs(talk.notes)
    if sorted(run.number for run in runs) != list(range(jobs)):
        different = len({run.number for run in runs})
        raise Failure(f"{len(runs):,} runs of {different:,} different jobs, where {jobs:,} were enqueued")
    return {run.number: run for run in runs}
