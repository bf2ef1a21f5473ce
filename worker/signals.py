"""The events of the queue, for whoever wants to know of them. `worker.log` makes log lines of them.

Receivers get keyword arguments, listed at each signal. A receiver that raises is logged and stops nothing. What has to
be written together with an outcome is no signal: see `worker.queue.in_the_recording_transaction`.
"""

from __future__ import annotations

from worker.events import Event
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.values import ClaimedJob

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
    "backoff_failed",
    "callback_failed",
    "carrier_unknown",
    "chore_refused",
    "connection_unclosed",
    "database_lost",
    "job_ended",
    "job_lost",
    "job_put_off",
    "job_started",
    "jobs_rescued",
    "leader_missing",
    "module_broken",
    "news_unheard",
    "outcomes_left",
    "outcomes_refused",
    "reports_refused",
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
backoff_failed = Event()
"""job, error. The function that its task has as backoff raised, or said no delay: the project's BACKOFF holds."""
carrier_unknown = Event()
"""key. Jobs carry what no carrier in this process has: they run without it. Once for each key."""
reports_refused = Event()
"""jobs: their ids, error. The database does not take what their tasks told of themselves; the jobs are not affected."""
jobs_rescued = Event()
"""count, given_up: how many were taken from dead workers, and how many of those were given up."""
rescue_refused = Event()
"""id, error. The database does not let this job be taken from its dead worker; the others are."""
chore_refused = Event()
"""chore: its name, error, retry_in: seconds. The database does not take what the chore does; all else goes on."""
task_unknown = Event()
"""task. Its jobs stay in the queue for a process that has it."""
module_broken = Event()
"""task, error. The module of such a Task cannot be imported: its jobs stay in the queue."""
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
