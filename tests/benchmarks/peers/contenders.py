"""Who is measured: the queues, where each keeps its jobs, and how much work is enough to see its pace.

How a queue is set up is said in its module; the pins are in `requirements/`.
"""

from __future__ import annotations

from dataclasses import dataclass

OURS = "carillon"
ENQUEUED_ONE_BY_ONE = 2_000
ENQUEUED_IN_BULK = 10_000
RESULTS = 1_000
"""That are asked for through Django's framework."""
SAMPLES = 40
"""Of the latency, in each run."""
COMPUTED = 300
"""Jobs of 20 ms. Two cores do a hundred a second at the most."""
SCHEDULES = 10_000
DUE = 1_000


@dataclass(frozen=True)
class Contender:
    name: str
    module: str
    environment: str
    """Its `requirements/<name>.txt`; ours is the one that the driver runs in."""
    stores: tuple[str, ...]
    """Its jobs are in the first. Another one has its schedules, and what the jobs write."""
    drained: int
    """Jobs to drain: a few seconds of work."""
    worked: int | None = None
    """Jobs to drain that write a row, or wait. None: only jobs that do nothing are asked of it."""
    has_bulk: bool = True
    clock: Clockwork | None = None
    framework: Framework | None = None
    """As a backend of Django's `TASKS`, if it is one."""
    caveat: str = ""
    """What it does not promise, and the others do."""
    pause: float = 0.03
    """Seconds at least between two samples of the latency; twice that at the most."""
    is_ours: bool = False


@dataclass(frozen=True)
class Clockwork:
    """How its schedules come due."""

    ready_in: float
    """Seconds that the process needs before the instant, with 10,000 schedules."""
    at: str = "any second"
    """Or "the minute", or "the start" of the process."""
    patience: float = 60.0


@dataclass(frozen=True)
class Framework:
    """How its worker runs Tasks of Django's framework."""

    drained: int
    """Tasks to drain."""
    slots: int | None = None
    """Jobs at once in a process, as its own benchmarks have it. None: as its module says."""


CONTENDERS = [
    Contender(
        "Carillon",
        "peer_carillon",
        OURS,
        ("postgresql",),
        drained=40_000,
        worked=4_000,
        clock=Clockwork(ready_in=4),
        framework=Framework(drained=10_000),
        is_ours=True,
    ),
    Contender("PgQueuer", "peer_pgqueuer", "pgqueuer", ("postgresql",), drained=40_000, worked=4_000),
    Contender(
        "Oban", "peer_oban", "oban", ("postgresql",), drained=8_000, clock=Clockwork(ready_in=12, at="the minute")
    ),
    Contender(
        "Procrastinate",
        "peer_procrastinate",
        "procrastinate",
        ("postgresql",),
        drained=1_200,
        worked=1_000,
        clock=Clockwork(ready_in=15),
    ),
    Contender(
        "django-ox",
        "peer_django_ox",
        "django-ox",
        ("postgresql",),
        drained=1_000,
        worked=1_000,
        framework=Framework(drained=1_000, slots=4),
        pause=0.1,
    ),
    Contender(
        "django-tasks-db",
        "peer_django_tasks_db",
        "django-tasks-db",
        ("postgresql",),
        drained=800,
        has_bulk=False,
        framework=Framework(drained=800),
        pause=0.1,
    ),
    Contender(
        "django-background-tasks",
        "peer_django_background_tasks",
        "django-background-tasks",
        ("postgresql",),
        drained=60,
        has_bulk=False,
        pause=0.1,
    ),
    Contender(
        "Celery",
        "peer_celery",
        "celery",
        ("redis", "postgresql"),
        drained=3_000,
        worked=1_000,
        has_bulk=False,
        clock=Clockwork(ready_in=45),
        caveat="a job is acknowledged when it is received, so one that its worker dies with is lost; and Redis "
        "answers before a job is on the disk",
    ),
    Contender(
        "Carillon on SQLite",
        "peer_carillon",
        OURS,
        ("sqlite",),
        drained=10_000,
        clock=Clockwork(ready_in=4),
        is_ours=True,
    ),
    Contender(
        "huey",
        "peer_huey",
        "huey",
        ("sqlite",),
        drained=5_000,
        has_bulk=False,
        clock=Clockwork(ready_in=0, at="the start"),
        caveat="a job leaves the store before it runs, so one that its worker dies with is lost",
    ),
]


def ours_beside(contender: Contender) -> str:
    """Ours on the same kind of store; beside Redis it is the one on PostgreSQL."""
    on_sqlite = "sqlite" in contender.stores
    return next(each.name for each in CONTENDERS if each.is_ours and ("sqlite" in each.stores) == on_sqlite)
