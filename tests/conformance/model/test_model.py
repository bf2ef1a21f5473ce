"""The whole, driven at random beside a model of it; and that the machines which do so find what is broken.

`CARILLON_MODEL_EXAMPLES` says how many stories to try (`make check-model`); the default is a taste.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from inspect import getmembers
from typing import Any

import pytest
from django.db import IntegrityError
from hypothesis import Phase, settings
from hypothesis.stateful import RULE_MARKER, run_state_machine_as_test

from schedules import recurrence
from tests.conformance.model.broken import OF_POSTGRESQL, OF_THE_CLOCK, OF_THE_EDITS, OF_THE_QUEUE, Broken
from tests.conformance.model.clock_machine import ClockMachine
from tests.conformance.model.edit_machine import EditMachine
from tests.conformance.model.model_columns import FORMER_NAMES, QUEUES
from tests.conformance.model.queue_machine import QueueMachine
from tests.conformance.model.story import Story
from tests.conformance.model.virtual import VirtualClock, report
from worker import tasks, wakeup
from worker.tasks import Task

EXAMPLES = int(os.environ.get("CARILLON_MODEL_EXAMPLES", "0"))
FEW, TASTE, UNTIL_FOUND = 3, 7, 100
PHASES = (Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,)
"""A taste is no place to look for the shortest story, which may take five minutes: what fails is told as it is."""


class Machine(QueueMachine, EditMachine):
    """All that can happen."""


@pytest.fixture
def clock(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, own_declarations: None) -> VirtualClock:
    """When work was announced last is known by it, too: else how fast a story is told decides what is sent in it."""
    monkeypatch.setattr(wakeup, "told", wakeup.Told(clock))
    for name, queue in QUEUES.items():
        formerly = tuple(former for former, present in FORMER_NAMES.items() if present == name)
        tasks.register(Task(report, name, queue, formerly=formerly))
    return clock


def drive(
    machine: type[Story], clock: VirtualClock, examples: int, phases: Sequence[Phase], *, derandomize: bool = False
) -> None:
    run_state_machine_as_test(
        lambda: machine(clock),  # type: ignore[arg-type]  # whatever makes one will do
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=derandomize,
            phases=phases,
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.parametrize("machine", [QueueMachine, EditMachine, Machine])
def test_whatever_happens_jobs_and_ledger_are_as_the_model_says(clock: VirtualClock, machine: type[Story]) -> None:
    drive(machine, clock, EXAMPLES or TASTE, PHASES)


@pytest.mark.of_tests
def test_a_story_that_is_told_again_ends_alike(clock: VirtualClock) -> None:
    """Or what is found at the first try would not be at the second."""
    endings: list[object] = []

    class Told(Machine):
        def teardown(self) -> None:
            first = min([*self.queue.live, *self.queue.history], default=0)
            live = [(id - first, job.state, job.attempts) for id, job in self.queue.live.items()]
            history = [(id - first, state) for id, state in self.queue.history.items()]
            endings.append((live, history, [schedule.ledger for schedule in self.schedules.values()]))

    for _ in range(2):
        drive(Told, clock, FEW, [Phase.generate], derandomize=True)

    assert endings[: len(endings) // 2] == endings[len(endings) // 2 :]


# Broken on purpose


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Recurrences are made once and kept, those of a broken product too."""
    recurrence._recurrence_of.cache_clear()
    yield
    recurrence._recurrence_of.cache_clear()


def only(machine: type[Story], rules: Collection[Callable[..., None]]) -> type[Story]:
    """The machine, in which nothing else happens, but what these do themselves."""
    names = {name for name, method in getmembers(machine) if hasattr(method, RULE_MARKER)}
    others = names - {rule.__name__ for rule in rules}
    return type("Narrow", (machine,), {name: no_rule(getattr(machine, name)) for name in others})


def no_rule(method: Callable[..., None]) -> Callable[..., None]:
    return lambda *args, **kwargs: method(*args, **kwargs)


def faults_of(kind: str, machine: type[Story], faults: Mapping[str, Broken]) -> list[Any]:
    return [
        pytest.param(only(machine, broken.rules), broken, marks=pytest.mark.only_on(kind), id=f"{told} ({kind})")
        for told, broken in faults.items()
    ]


@pytest.mark.of_tests
@pytest.mark.parametrize(
    ("machine", "broken"),
    [
        *faults_of("sqlite", QueueMachine, OF_THE_QUEUE),
        *faults_of("sqlite", ClockMachine, OF_THE_CLOCK),
        *faults_of("sqlite", EditMachine, OF_THE_EDITS),
        *faults_of("postgresql", QueueMachine, OF_POSTGRESQL),
    ],
)
def test_the_machine_finds_out_when(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, forgetful: None, machine: type[Story], broken: Broken
) -> None:
    for fault in broken.faults:
        fault.make(monkeypatch)

    with pytest.raises((AssertionError, IntegrityError)):
        drive(machine, clock, UNTIL_FOUND, [Phase.generate], derandomize=True)  # chance must not decide
