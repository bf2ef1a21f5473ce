"""The life of a schedule's row: every change of it that is not the tick's. The door: the operator's verbs."""

from schedules.changes.declare import (
    declare,
    delete,
    detach,
    edit,
    end_pauses,
    is_as,
    mark_declared,
    mark_undeclared,
    pause,
    repair,
    replan,
    resume,
    retire,
    run_now,
)

__all__ = [
    "declare",
    "delete",
    "detach",
    "edit",
    "end_pauses",
    "is_as",
    "mark_declared",
    "mark_undeclared",
    "pause",
    "repair",
    "replan",
    "resume",
    "retire",
    "run_now",
]
