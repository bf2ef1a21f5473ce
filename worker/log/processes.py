"""What the log says of worker processes: their starts and ends, rescues, and what the database refuses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker import signals
from worker.events import say_seldom
from worker.log.line import indented
from worker.log.speaker import Speaker
from worker.masking import line
from worker.messages.durations import pause
from worker.messages.errors import kind_of, message_of, traceback_of
from worker.unknown import why_unknown
from worker.values import ClaimedJob

MOST_NAMED = 50
"""Jobs in one line."""
MOST_MODULES = 8
"""In one line, too."""

log = Speaker("worker")


def _outcomes_refused(name: str, count: int, error: Exception, retry_in: float, **_: Any) -> None:
    what = "%s keeps the outcomes of %d jobs, which the database refuses to record (%s); again in %s"
    say_seldom(log.error, what, name, count, line(str(error).strip()), pause(retry_in))


def _outcomes_left(name: str, noted: list[ClaimedJob], lost: list[ClaimedJob], **_: Any) -> None:
    what = "%s ends, and the database has not recorded that %d jobs have ended: %s. %s"
    if noted:
        log.error(what, name, len(noted), _numbers(noted), "Whoever claims them next records it.")
    if lost:
        log.error(what, name, len(lost), _numbers(lost), "It refuses a note of it too: they run again.")


def _numbers(jobs: list[ClaimedJob]) -> str:
    more = f" and {len(jobs) - MOST_NAMED} more" if len(jobs) > MOST_NAMED else ""
    return ", ".join(f"#{job.id}" for job in jobs[:MOST_NAMED]) + more


def _rescued(count: int, given_up: int, **_: Any) -> None:
    log.warning("rescued %d jobs of dead workers, gave up %d of them", count, given_up)


def _rescue_refused(id: int, error: Exception, **_: Any) -> None:
    say_seldom(log.error, "job #%d cannot be taken from its dead worker (%s)", id, line(str(error).strip()))


def _chore_refused(chore: str, error: Exception, retry_in: float, **_: Any) -> None:
    say_seldom(log.error, "cannot %s (%s); again in %s", chore, line(str(error).strip()), pause(retry_in))


def _unknown(task: str, **_: Any) -> None:
    what = "no task %s in this process; its jobs are left to one that has it. %s"
    log.warning(what, line(task), line(why_unknown(task)))


def _module_broken(task: str, error: BaseException, **_: Any) -> None:
    what = "the module of task %s cannot be imported (%s: %s)"
    say_seldom(log.error, what, line(task), kind_of(error), line(message_of(error).strip()))


def _carrier_unknown(key: str, **_: Any) -> None:
    what = 'jobs carry "%s", which no carrier in SCHEDULER["CARRY"] has as its key here; they run without it'
    log.warning(what, line(key))


def _worker_started(name: str, slots: int, queues: tuple[str, ...], tasks: Mapping[str, int], **_: Any) -> None:
    drains = f"queues {', '.join(queues)}" if queues else "all queues"
    log.info("%s started: %d slots, %s; %s", name, slots, drains, _declared(tasks))
    if not tasks:
        log.warning("no job can run here: no app in INSTALLED_APPS declares a task in its tasks.py")


def _declared(tasks: Mapping[str, int]) -> str:
    modules = [f"{module} ({count})" for module, count in sorted(tasks.items())]
    more = [f"{len(modules) - MOST_MODULES} more modules"] if len(modules) > MOST_MODULES else []
    return f"tasks: {', '.join(modules[:MOST_MODULES] + more) or 'none'}"


def _worker_stopping(running: int, grace: float, **_: Any) -> None:
    if running:
        log.info("stopping: waiting up to %s for %d jobs (Ctrl-C again to release them now)", pause(grace), running)


def _worker_stopped(name: str, released: int, signed_off: bool, **_: Any) -> None:
    if signed_off:
        log.info("%s stopped%s", name, f", {released} jobs given back" if released else "")
    else:
        log.warning("%s stopped without the database; if it held jobs, others rescue them", name)


def _outstayed(threads: list[str], **_: Any) -> None:
    left = ", ".join(threads) or "no thread"
    log.warning("ended without waiting for what tasks have left running: %s", line(left))


def _declared_dead(name: str, **_: Any) -> None:
    log.warning("%s was silent too long and its jobs were given to others; it goes on as a new worker", name)


def _surroundings_restored(job: ClaimedJob, what: list[str], **_: Any) -> None:
    log.warning(
        "found changed after %s #%d, and put back: %s; a task shares them with all jobs of its process",
        *(job.task, job.id, ", ".join(what)),
    )


def _connection_unclosed(error: Exception, **_: Any) -> None:
    what = "a database connection of jobs that have ended could not be closed"
    log.error(what, traceback=indented(traceback_of(error)))


def _database_lost(name: str, error: Exception, retry_in: float, **_: Any) -> None:
    why = line(str(error).strip())
    say_seldom(log.error, "%s lost the database (%s); again in %s", name, why, pause(retry_in))


def _news_unheard(database: str, asks_every: float, **_: Any) -> None:
    log.info(
        'a pooler is in front of database "%s" and delivers no notifications: asking for work every %s',
        *(database, pause(asks_every)),
    )


def _leader_missing(seconds: float, **_: Any) -> None:
    log.warning(
        "no leader for %s: delayed jobs run, schedules wait. Start one: manage.py process_tasks --leader",
        pause(seconds),
    )


signals.outcomes_refused.connect(_outcomes_refused)
signals.outcomes_left.connect(_outcomes_left)
signals.jobs_rescued.connect(_rescued)
signals.rescue_refused.connect(_rescue_refused)
signals.chore_refused.connect(_chore_refused)
signals.task_unknown.connect(_unknown)
signals.module_broken.connect(_module_broken)
signals.carrier_unknown.connect(_carrier_unknown)
signals.worker_started.connect(_worker_started)
signals.worker_stopping.connect(_worker_stopping)
signals.worker_stopped.connect(_worker_stopped)
signals.tasks_outstayed.connect(_outstayed)
signals.worker_declared_dead.connect(_declared_dead)
signals.surroundings_restored.connect(_surroundings_restored)
signals.connection_unclosed.connect(_connection_unclosed)
signals.database_lost.connect(_database_lost)
signals.news_unheard.connect(_news_unheard)
signals.leader_missing.connect(_leader_missing)
