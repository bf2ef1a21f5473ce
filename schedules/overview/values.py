"""The values of the read model: a schedule and when it runs, how a run ended, what is wrong. They know no table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.current.progress import Progress

LATE = timedelta(minutes=1)
"""What has waited longer than this after its time is late."""


@dataclass(frozen=True, slots=True)
class NextRun:
    """An instant at which something will run, and what a change of the clock has to do with it."""

    at: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    since: datetime
    until: datetime | None
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run: when it started, or was to start, and what became of it."""

    at: datetime
    outcome: str
    reason: str = ""
    duration: float | None = None
    """Seconds; of a run that goes on, until now. None: it never started."""
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A line of the ledger, and what became of its job."""

    scheduled_for: datetime
    scheduled_until: datetime | None
    count: int
    kind: str
    outcome: str
    """Of the job, where its line has one that is known; else of the line."""
    reason: str
    job_id: int | None
    started_at: datetime | None
    duration: float | None


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A schedule, and when it runs next."""

    id: int | None
    """None: it is declared, and not in the database yet."""
    name: str
    task: str
    arguments: str
    queue: str
    source: str
    declared_in: str
    expression: str
    """The recurrence as it was given."""
    timezone: str
    description: str
    status: str
    """As `Schedule.status_at`."""
    next_runs: tuple[NextRun, ...]
    """The nominal instants. First those that are overdue and that catch-up will run; excluded dates are left out."""
    left_out: tuple[datetime, ...]
    """The first instant on each excluded date before the last of these runs."""
    overdue_since: datetime | None
    """The first instant that no leader has decided on, though it has come."""
    last_run: PastRun | None
    pause: Pause | None
    enabled: bool
    """What its declaration says."""
    broken: str

    @property
    def is_overruled(self) -> bool:
        """Whether an operator has paused or resumed it, and its declaration says otherwise."""
        says_something = not self.enabled or self.source in ("code", "settings")
        return says_something and self.enabled == (self.pause is not None)

    @property
    def next_run_at(self) -> datetime | None:
        return self.next_runs[0].at if self.next_runs else None


@dataclass(frozen=True, slots=True)
class PendingJob:
    """A job that does not run yet."""

    id: int
    task: str
    verbose_name: str
    queue: str
    priority: int
    run_at: datetime
    attempts: int
    schedule: str | None
    state: str
    hindered: str
    """Why it cannot run though it is due. Empty: it only waits for a slot, or for its time."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that a worker holds."""

    id: int
    task: str
    verbose_name: str
    queue: str
    started_at: datetime
    attempt: int
    """Which one runs, from 1."""
    max_attempts: int
    schedule: str | None
    progress: Progress | None
    """As its task last told it, perhaps in an earlier attempt."""


@dataclass(frozen=True, slots=True)
class Lead:
    """The term of the leader that is alive."""

    name: str
    term: int
    lock: str
    started_at: datetime
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps work from being done, or has made it fail."""

    code: str
    message: str
    schedule: str | None = None
    queue: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A line that an edit would write into the ledger: instants that would not run, and why."""

    first: datetime
    last: datetime
    count: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What an edit would do."""

    before: tuple[datetime, ...]
    """The next runs as it is now, up to ten."""
    after: tuple[datetime, ...]
    """The next runs with the edit, up to ten."""
    at_once: tuple[datetime, ...]
    """The instants that would run at once."""
    explained: tuple[Explanation, ...]
    """What would not run any more."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything stands at one instant."""

    now: datetime
    leader: Lead | None
    schedules: tuple[Upcoming, ...]
    """By their next run; those that have none last."""
    running: tuple[RunningJob, ...]
    """Those first that have run longest."""
    jobs: tuple[PendingJob, ...]
    """By their time."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong at one instant, and the little that is told where nothing is."""

    now: datetime
    leader: Lead | None
    schedules: int
    """How many there are, counted up to `MOST_COUNTED`."""
    next_run: tuple[str, datetime] | None
    """The schedule that runs next, and when."""
    problems: tuple[Problem, ...]
