"""Processes that live, with jobs in all their slots, while something happens to them: nobody of them may be missed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.app.models import Effect
from tests.chaos import scale
from tests.chaos.audit import audit
from tests.chaos.crew import SECONDS_TO_START, Crew, id_of, stop, wait, wait_until_drained
from tests.chaos.tasks import count_slowly
from tests.processes import Process, eventually
from worker.models import FinishedJob, FinishedState, Job, WorkerProcess
from worker.options import Options

SETTINGS = Options(**scale.SIGNS_OF_LIFE)
"""Of the processes here."""
FAULT = 3 * SETTINGS.RESCUE_AFTER
WATCHED_FOR = SETTINGS.RESCUE_AFTER + 2 * SETTINGS.HEARTBEAT
"""Seconds after which whoever was missed has been buried."""
SLOTS = 2


class Company:
    """Three processes, two of which may lead if there is to be a leader."""

    def __init__(self, crew: Crew, *, led: bool = True) -> None:
        self.crew = crew
        crew.scheduler = scale.SIGNS_OF_LIFE
        self.labels: list[str] = []
        self.passing: list[Process] = []
        self.inherited: set[int] = set()
        start = crew.leader if led else crew.worker
        self.staying = [each("--threads", str(SLOTS)) for each in (start, start, crew.worker)]
        eventually(lambda: WorkerProcess.objects.count() == len(self.staying), within=SECONDS_TO_START)
        self._ids = list(map(id_of, self.staying))

    @property
    def processes(self) -> list[Process]:
        """All that work now."""
        return [each for each in (*self.staying, *self.passing) if each.exit_code is None]

    def begin_jobs(self, seconds: float) -> None:
        """In every slot, and in those of a run until idle. Half of them end within these seconds, the others later."""
        ends = [seconds / 2, seconds + WATCHED_FOR]
        self._call([ends[number % 2] for number in range(SLOTS * (len(self.staying) + 1))])
        self.passing.append(self.crew.start("process_tasks", "--until-idle", "--threads", str(SLOTS)))
        eventually(self._all_have_begun, within=SECONDS_TO_START)

    def assert_all_live(self) -> None:
        """Whoever was missed meanwhile would be buried within the time for which this waits."""
        wait(WATCHED_FOR)
        assert not Job.objects.filter(interruptions__gt=0).exists()
        assert not FinishedJob.objects.filter(interruptions__gt=0).exists()
        assert list(map(id_of, self.staying)) == self._ids

    def kill_one(self) -> int:
        """While it is at some jobs. Returns the id of the worker that it was."""
        wait_until_drained()
        for each in self.passing:
            assert each.wait(within=30) == 0, each.output
        victim, id = self.staying.pop(), self._ids.pop()
        assert id is not None
        self._call([5.0] * SLOTS * (len(self.staying) + 1))
        self.inherited = eventually(lambda: _begun_by(id), within=SECONDS_TO_START)
        victim.send(signal.SIGKILL)
        victim.wait(within=5)
        return id

    def seconds_until_found(self, dead: int) -> float:
        began = time.monotonic()
        eventually(lambda: not Job.objects.filter(worker_id=dead).exists(), within=120)
        return time.monotonic() - began

    def end(self) -> None:
        """All stop. Each job ran once, but for those that were killed with their worker, which ran twice."""
        wait_until_drained()
        stop(*self.staying)
        assert [each.wait(within=30) for each in self.passing] == [0] * len(self.passing)
        result = audit(self.labels)
        assert result.accepted == result.finished == result.runs - len(self.inherited)
        assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED, attempts=1).exists()
        assert set(FinishedJob.objects.filter(interruptions__gt=0).values_list("pk", flat=True)) == self.inherited

    def _call(self, seconds: Sequence[float]) -> None:
        calls = [(f"job {len(self.labels) + number}", length) for number, length in enumerate(seconds)]
        self.labels += [label for label, _ in calls]
        count_slowly.enqueue_many([(call, {}) for call in calls])

    def _all_have_begun(self) -> bool:
        return Effect.objects.count() == len(self.labels)


def _begun_by(worker: int) -> set[int]:
    """Its jobs, once it has begun one in each slot."""
    held = set(Job.objects.filter(worker_id=worker).values_list("pk", flat=True))
    return held if Effect.objects.filter(key__in=map(str, held)).count() == SLOTS else set()


@contextmanager
def suspended(processes: Sequence[Process]) -> Iterator[None]:
    """As on a host that sleeps."""
    for each in processes:
        each.send(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in processes:
            each.send(signal.SIGCONT)
