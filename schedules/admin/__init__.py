"""The admin of the clock: schedules, the ledger of their occurrences, the leaders' terms; and jobs by schedule.

Importing this registers the pages. Rows change only through `schedules.changes`.
"""

from schedules.admin.jobs import FinishedJobOfScheduleAdmin, JobOfScheduleAdmin
from schedules.admin.ledger import LeadershipAdmin, OccurrenceAdmin
from schedules.admin.schedules import ScheduleAdmin

__all__ = [
    "FinishedJobOfScheduleAdmin",
    "JobOfScheduleAdmin",
    "LeadershipAdmin",
    "OccurrenceAdmin",
    "ScheduleAdmin",
]
