"""The life of a schedule's row: every change of it that is not the tick's. The door: the verbs.

Each verb is one transaction under the row's lock, and raises the row's revision. So a tick that read the row before
does nothing with it. `now` is the database's time, read beforehand. While a verb waits for the lock, a tick may move
the cursor beyond this `now`. So a verb never moves the cursor back to `now`.
"""

from schedules.changes.backfills import backfill
from schedules.changes.declare import edit, mark_declared, mark_undeclared, retire
from schedules.changes.in_line import Wanted, all_in_line, bring_all_in_line, bring_in_line, is_as
from schedules.changes.operate import delete, detach, give_back, run_now
from schedules.changes.pauses import end_pauses, pause, resume
from schedules.changes.rename import rename
from schedules.changes.repairs import repair, replan
from schedules.changes.revisions import RevisionConflict, marks_of, revision_of
from schedules.changes.row import one_by_one, some_by_some
from schedules.changes.tasks_followed import follow_tasks
from schedules.changes.wishes import first_row

__all__ = [
    "RevisionConflict",
    "Wanted",
    "all_in_line",
    "backfill",
    "bring_all_in_line",
    "bring_in_line",
    "delete",
    "detach",
    "edit",
    "end_pauses",
    "first_row",
    "follow_tasks",
    "give_back",
    "is_as",
    "mark_declared",
    "mark_undeclared",
    "marks_of",
    "one_by_one",
    "pause",
    "rename",
    "repair",
    "replan",
    "resume",
    "retire",
    "revision_of",
    "run_now",
    "some_by_some",
]
