"""The events of the queue, and the one place that makes log lines of them.

Receivers get keyword arguments, listed at each signal. A receiver that raises is logged and stops nothing, and no more
does a part of the log. What has to be written together with an outcome is no signal: see
`worker.queue.in_the_recording_transaction`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from textwrap import indent
from typing import TYPE_CHECKING, Any

from django.core.management.color import Style, no_style

from worker.events import Event, say_seldom, say_unheard
from worker.masking import line, text
from worker.messages.durations import left, measured
from worker.messages.errors import message_of, traceback_of
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.unknown import why_unknown
from worker.values import ClaimedJob

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = [
    "Cancelled",
    "ClaimedJob",
    "Error",
    "Failed",
    "Missed",
    "Outcome",
    "Retry",
    "Snoozed",
    "Succeeded",
    "callback_failed",
    "chore_refused",
    "connection_unclosed",
    "database_lost",
    "job_ended",
    "job_lost",
    "job_put_off",
    "job_started",
    "jobs_rescued",
    "leader_missing",
    "news_unheard",
    "outcomes_left",
    "outcomes_refused",
    "rescue_refused",
    "success_refused",
    "surroundings_restored",
    "task_unknown",
    "tasks_outstayed",
    "worker_declared_dead",
    "worker_started",
    "worker_stopped",
    "worker_stopping",
]

job_started = Event()
"""job, late: seconds after its time. In the thread that runs the job."""
job_ended = Event()
"""job, outcome, took: seconds. After its outcome was recorded."""
job_lost = Event()
"""job. It was taken from this worker meanwhile: its outcome was not recorded."""
job_put_off = Event()
"""job, error, retry_in: seconds. It has not begun, for want of a session with the database, and waits in its worker."""
outcomes_refused = Event()
"""name, count, error, retry_in: seconds. The database refuses to record what came of so many jobs: it is kept."""
outcomes_left = Event()
"""name, noted, lost: jobs. The worker ends before that was recorded: of some it is noted, the others run again."""
success_refused = Event()
"""job, error, retry_in: seconds. An atomic job has done its work, which is undone, for that cannot be recorded now."""
callback_failed = Event()
"""job, error. It succeeded and was committed; then something that it had given to `transaction.on_commit` raised."""
jobs_rescued = Event()
"""count, given_up: how many were taken from dead workers, and how many of those were given up."""
rescue_refused = Event()
"""id, error. The database does not let this job be taken from its dead worker; the others are."""
chore_refused = Event()
"""chore: its name, error, retry_in: seconds. The database does not take what the chore does; all else goes on."""
task_unknown = Event()
"""task. Its jobs stay in the queue for a process that has it."""
worker_started = Event()
"""name, slots, queues, tasks: how many this process knows, by the module that declares them."""
worker_stopping = Event()
"""name, running, grace: seconds."""
worker_stopped = Event()
"""name, released: how many jobs were given back, signed_off: whether the database was there for it."""
tasks_outstayed = Event()
"""threads: their names. What tasks have left running keeps the process from ending, which it does now all the same."""
worker_declared_dead = Event()
"""name. It was silent too long, and its jobs were given to others."""
surroundings_restored = Event()
"""job, what: names of what a task had changed for the whole process, and what was put back after this job."""
connection_unclosed = Event()
"""error. Closing a connection that jobs had opened failed; the job after them opens a new one."""
database_lost = Event()
"""name, error, retry_in: seconds."""
news_unheard = Event()
"""database, asks_every: seconds. A pooler delivers no notifications, so this process asks for work."""
leader_missing = Event()
"""seconds. No leader for so long: delayed jobs run all the same, schedules wait."""

job_log = logging.getLogger("worker.job")
process_log = logging.getLogger("worker")

LONG_PAUSE = 1.0
"""Seconds: before that, what is missing may be there at the next try, and nobody has to look after it."""
MOST_NAMED = 50
"""Jobs in one line."""
MOST_MODULES = 8
"""In one line, too."""


# Each job passes through these two, so one that nobody watches costs nothing.


def tell_started(job: ClaimedJob, started_at: datetime) -> None:
    """In the thread that runs the job, before it does. Never raises."""
    if job_started.receivers or _is_logged():
        late = (started_at - job.run_at).total_seconds()
        _say(job_log.info, "%s #%d started, %s after its time", job.task, job.id, measured(late))
        job_started.send_robust(None, job=job, late=late)


def tell_ended(job: ClaimedJob, outcome: Outcome, started_at: datetime, finished_at: datetime) -> None:
    """After its outcome was recorded. Never raises."""
    if job_ended.receivers or _is_logged() or not isinstance(outcome, Succeeded):
        took = (finished_at - started_at).total_seconds()
        _say(_log_ended, job, outcome, took)
        job_ended.send_robust(None, job=job, outcome=outcome, took=took)


def _is_logged() -> bool:
    try:
        return job_log.isEnabledFor(logging.INFO)
    except BaseException as error:  # noqa: BLE001  a logger may be of the project's own class
        say_unheard(error)
        return False


def _say(say: Callable[..., None], *what: Any) -> None:
    """Filters, handlers and formatters are the project's, and a job is not to suffer from them."""
    try:
        say(*what)
    except BaseException as error:  # noqa: BLE001  who tells of a job is no part of it
        say_unheard(error)


def _log_ended(job: ClaimedJob, outcome: Outcome, took: float) -> None:
    match outcome:
        case Succeeded():
            job_log.info("%s #%d succeeded in %s", job.task, job.id, measured(took))
        case Retry(error, delay):
            job_log.warning(
                "%s #%d failed in %s (%s: %s), attempt %d of %d; next in %s",
                *(
                    job.task,
                    job.id,
                    measured(took),
                    line(error.kind),
                    line(error.message),
                    error.attempt,
                    job.max_attempts,
                    _words(delay),
                ),
            )
        case Failed(error):
            job_log.error(
                "%s #%d failed in %s (%s: %s), attempt %d of %d; no more attempts\n%s",
                *(
                    job.task,
                    job.id,
                    measured(took),
                    line(error.kind),
                    line(error.message),
                    error.attempt,
                    job.max_attempts,
                    _indented(error.traceback),
                ),
            )
        case Cancelled(reason):
            job_log.info("%s #%d cancelled: %s", job.task, job.id, line(reason))
        case Snoozed(delay):
            job_log.info("%s #%d snoozed for %s", job.task, job.id, _words(delay))
        case Missed(reason):
            job_log.warning("%s #%d missed: %s", job.task, job.id, line(reason))


def _words(seconds: float) -> str:
    return left(timedelta(seconds=round(seconds)))


def _indented(traceback: str) -> str:
    """So that no line of it passes for one of the log."""
    return indent(text(traceback), "    ").rstrip()


def _log_lost(job: ClaimedJob, **_: Any) -> None:
    job_log.warning("%s #%d was taken from this worker; what it did here is not recorded", job.task, job.id)


def _log_put_off(job: ClaimedJob, error: BaseException, retry_in: float, **_: Any) -> None:
    why = line(message_of(error).strip())
    what = ("%s #%d waits, since it gets no session (%s); again in %.1fs", job.task, job.id, why, retry_in)
    if retry_in >= LONG_PAUSE:
        say_seldom(job_log.warning, *what)
    else:
        job_log.debug(*what)


def _log_outcomes_refused(name: str, count: int, error: Exception, retry_in: float, **_: Any) -> None:
    what = "%s keeps the outcomes of %d jobs, which the database refuses to record (%s); again in %.1fs"
    say_seldom(process_log.error, what, name, count, line(str(error).strip()), retry_in)


def _log_outcomes_left(name: str, noted: list[ClaimedJob], lost: list[ClaimedJob], **_: Any) -> None:
    what = "%s ends, and the database has not recorded that %d jobs have ended: %s. %s"
    if noted:
        process_log.error(what, name, len(noted), _numbers(noted), "Whoever claims them next records it.")
    if lost:
        process_log.error(what, name, len(lost), _numbers(lost), "It refuses a note of it too: they run again.")


def _numbers(jobs: list[ClaimedJob]) -> str:
    more = f" and {len(jobs) - MOST_NAMED} more" if len(jobs) > MOST_NAMED else ""
    return ", ".join(f"#{job.id}" for job in jobs[:MOST_NAMED]) + more


def _log_success_refused(job: ClaimedJob, error: Exception, retry_in: float, **_: Any) -> None:
    what = "%s #%d has done its work, and the database refuses to record that (%s), so it is undone; again in %.1fs"
    say_seldom(job_log.error, what, job.task, job.id, line(str(error).strip()), retry_in)


def _log_callback_failed(job: ClaimedJob, error: BaseException, **_: Any) -> None:
    job_log.error(
        "%s #%d succeeded, and a callback after its commit failed\n%s",
        *(job.task, job.id, _indented(traceback_of(error))),
    )


def _log_rescued(count: int, given_up: int, **_: Any) -> None:
    process_log.warning("rescued %d jobs of dead workers, gave up %d of them", count, given_up)


def _log_rescue_refused(id: int, error: Exception, **_: Any) -> None:
    say_seldom(process_log.error, "job #%d cannot be taken from its dead worker (%s)", id, line(str(error).strip()))


def _log_chore_refused(chore: str, error: Exception, retry_in: float, **_: Any) -> None:
    say_seldom(process_log.error, "cannot %s (%s); again in %s", chore, line(str(error).strip()), _words(retry_in))


def _log_unknown(task: str, **_: Any) -> None:
    what = "no task %s in this process; its jobs are left to one that has it. %s"
    process_log.warning(what, line(task), line(why_unknown(task)))


def _log_worker_started(name: str, slots: int, queues: tuple[str, ...], tasks: Mapping[str, int], **_: Any) -> None:
    drains = f"queues {', '.join(queues)}" if queues else "all queues"
    process_log.info("%s started: %d slots, %s; %s", name, slots, drains, _declared(tasks))
    if not tasks:
        process_log.warning("no job can run here: no app in INSTALLED_APPS declares a task in its tasks.py")


def _declared(tasks: Mapping[str, int]) -> str:
    modules = [f"{module} ({count})" for module, count in sorted(tasks.items())]
    more = [f"{len(modules) - MOST_MODULES} more modules"] if len(modules) > MOST_MODULES else []
    return f"tasks: {', '.join(modules[:MOST_MODULES] + more) or 'none'}"


def _log_worker_stopping(running: int, grace: float, **_: Any) -> None:
    if running:
        process_log.info(
            "stopping: waiting up to %s for %d jobs (Ctrl-C again to release them now)", _words(grace), running
        )


def _log_worker_stopped(name: str, released: int, signed_off: bool, **_: Any) -> None:
    if signed_off:
        process_log.info("%s stopped%s", name, f", {released} jobs given back" if released else "")
    else:
        process_log.warning("%s stopped without the database; if it held jobs, others rescue them", name)


def _log_outstayed(threads: list[str], **_: Any) -> None:
    left = ", ".join(threads) or "no thread"
    process_log.warning("ended without waiting for what tasks have left running: %s", line(left))


def _log_declared_dead(name: str, **_: Any) -> None:
    process_log.warning("%s was silent too long and its jobs were given to others; it goes on as a new worker", name)


def _log_surroundings_restored(job: ClaimedJob, what: list[str], **_: Any) -> None:
    process_log.warning(
        "found changed after %s #%d, and put back: %s; a task shares them with all jobs of its process",
        *(job.task, job.id, ", ".join(what)),
    )


def _log_connection_unclosed(error: Exception, **_: Any) -> None:
    process_log.error(
        "a database connection of jobs that have ended could not be closed\n%s",
        _indented(traceback_of(error)),
    )


def _log_database_lost(name: str, error: Exception, retry_in: float, **_: Any) -> None:
    why = line(str(error).strip())
    say_seldom(process_log.error, "%s lost the database (%s); again in %.1fs", name, why, retry_in)


def _log_news_unheard(database: str, asks_every: float, **_: Any) -> None:
    process_log.info(
        'a pooler is in front of database "%s" and delivers no notifications: asking for work every %.1fs',
        *(database, asks_every),
    )


def _log_leader_missing(seconds: float, **_: Any) -> None:
    process_log.warning(
        "no leader for %s: delayed jobs run, schedules wait. Start one: manage.py process_tasks --leader",
        _words(seconds),
    )


job_lost.connect(_log_lost)
job_put_off.connect(_log_put_off)
outcomes_refused.connect(_log_outcomes_refused)
outcomes_left.connect(_log_outcomes_left)
success_refused.connect(_log_success_refused)
callback_failed.connect(_log_callback_failed)
jobs_rescued.connect(_log_rescued)
rescue_refused.connect(_log_rescue_refused)
chore_refused.connect(_log_chore_refused)
task_unknown.connect(_log_unknown)
worker_started.connect(_log_worker_started)
worker_stopping.connect(_log_worker_stopping)
worker_stopped.connect(_log_worker_stopped)
tasks_outstayed.connect(_log_outstayed)
worker_declared_dead.connect(_log_declared_dead)
surroundings_restored.connect(_log_surroundings_restored)
connection_unclosed.connect(_log_connection_unclosed)
database_lost.connect(_log_database_lost)
news_unheard.connect(_log_news_unheard)
leader_missing.connect(_log_leader_missing)


# For people who watch a process


class _Line(logging.Formatter):
    """`12:00:59 job      shop.tasks.report #8812 succeeded in 0.21s`: the time, who speaks, what happened."""

    def __init__(self, colours: Style) -> None:
        super().__init__("%(asctime)s %(speaker)-8s %(message)s", datefmt="%H:%M:%S")
        self.colours = colours

    def format(self, record: logging.LogRecord) -> str:
        record.speaker = record.name.rpartition(".")[2]
        shown = super().format(record)
        if record.levelno >= logging.ERROR:
            return self.colours.ERROR(shown)
        return self.colours.WARNING(shown) if record.levelno >= logging.WARNING else shown


class _Unplaced(logging.Filter):
    """Passes what loggers say that have no place of their own for it, between this name and theirs."""

    def filter(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger and logger.name != self.name:
            if logger.handlers:
                return False
            logger = logger.parent
        return True


def show_log(stream: SupportsWrite[str], verbosity: int, colours: Style | None = None) -> None:
    """Print the events on a stream, as far as the project's LOGGING has no place for them.

    Verbosity, as of manage.py, says the level where LOGGING gives none. `colours`: Django's, of errors and warnings.
    """
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    for logger in map(logging.getLogger, ("worker", "schedules")):
        if logger.level == logging.NOTSET and not _obeys_root(logger):
            logger.setLevel(level)
        if not logger.hasHandlers():
            handler = logging.StreamHandler(stream)
            handler.setFormatter(_Line(colours or no_style()))
            handler.addFilter(_Unplaced(logger.name))
            logger.addHandler(handler)


def _obeys_root(logger: logging.Logger) -> bool:
    """The root logger has a level in any case. It is the project's where the project gave it a handler."""
    return logger.propagate and logging.getLogger().hasHandlers()
