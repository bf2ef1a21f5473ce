"""What runs report while they last: gathered from slots, and written by the loop of their worker.

A task may be inside a transaction, which would hide what it writes until the end, and undo it where the task fails. So
a report is only laid down here, in a moment, and the loop writes it in its own session: the first of a run at once,
then all that is new once a second, and the last before the outcome of the run is recorded. On SQLite it spares the
bodies of atomic runs (`bodies`).

No report fails a job or keeps an outcome from being recorded. What the database has no time for is tried again while
the run lasts; what it refuses is dropped, and told.
"""

from worker.reports.gathering import PAUSE, Reports
from worker.reports.table import find, progress_by_job, progress_of

__all__ = ["PAUSE", "Reports", "find", "progress_by_job", "progress_of"]
