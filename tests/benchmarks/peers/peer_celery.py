"""Celery on Redis, with its beat on django-celery-beat's tables in PostgreSQL.

Ten threads; a large prefetch, as advised for short tasks; no results, no events, no gossip. A job is acknowledged as
it is received, which is the default.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from celery import Celery

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.django_project import manage, set_up
from tests.benchmarks.peers.perform import Clock

app = Celery("peers", broker=os.environ["PEERS_REDIS"])
app.conf.update(
    worker_prefetch_multiplier=128,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="job")
def job(number: int) -> None:
    chores.do(number)


def prepare() -> None:
    set_up("django_celery_beat")
    manage("migrate", "-v0")


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    left()
    with clock:
        for number in numbers:
            job.delay(number)


def left() -> int:
    with app.connection_for_write() as connection:
        redis = connection.default_channel.client
        return int(redis.llen("celery") + redis.hlen("unacked"))


def work(*, quiet: bool, slots: int | None) -> None:
    quietly = ["--loglevel", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    threads = ["--pool", "threads", "--concurrency", str(slots or 10)]
    app.worker_main(["worker", "--hostname", f"{os.getpid()}@peers", *threads, *quietly])


def declare(total: int, due: int, instant: float) -> None:
    set_up("django_celery_beat")
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    at = datetime.fromtimestamp(instant, UTC)
    if not PeriodicTask.objects.exists():
        hourly = IntervalSchedule.objects.create(every=3600, period="seconds")
        PeriodicTask.objects.bulk_create(
            PeriodicTask(name=f"schedule {number}", task="job", args=f"[{number}]", interval=hourly)
            for number in range(total)
        )
    PeriodicTask.objects.update(last_run_at=at)
    chosen = PeriodicTask.objects.order_by("pk").values_list("pk", flat=True)[:due]
    PeriodicTask.objects.filter(pk__in=list(chosen)).update(last_run_at=at - timedelta(hours=1))


def lead(total: int, due: int, instant: float) -> None:
    set_up("django_celery_beat")
    app.Beat(scheduler="django_celery_beat.schedulers:DatabaseScheduler", loglevel="warning").run()
