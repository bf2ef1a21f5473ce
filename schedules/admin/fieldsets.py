"""How the fields of a schedule are grouped: where they can be edited, and where they can only be read."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from worker.tasks import RUN_OPTIONS

_LIMITS = (
    _("Limits"),
    {"fields": ["starts_at", "repeat_until", "max_runs", "exclude"], "classes": ["collapse"]},
)
_LATE_AND_OVERLAPPING = (
    _("Late, overlapping and shifted runs"),
    {
        "fields": [
            *("overlap", "catch_up", "catch_up_window", "max_catch_up", "late_after"),
            *("start_deadline", "jitter", "retry_past_next", "dst_gap", "dst_overlap"),
        ],
        "classes": ["collapse"],
    },
)
_ORIGIN = ("creator", "declared_in")
TO_EDIT = [
    (None, {"fields": ["opened", "name", "verbose_name", "task", "args", "kwargs"]}),
    (
        _("When"),
        {
            "fields": ["cron", "repeat", "run_at", "if_past", "timezone", "anchor"],
            "description": _("Fill in exactly one of the cron expression, the repeat and the one instant."),
        },
    ),
    _LIMITS,
    _LATE_AND_OVERLAPPING,
    (
        _("Jobs"),
        {
            "fields": ["queue", "priority", *RUN_OPTIONS, "creator"],
            "description": _("Fields left empty take the value of the task when a job runs."),
            "classes": ["collapse"],
        },
    ),
]
TO_READ = [
    (None, {"fields": ["task", "given", ("queue", "priority", "max_attempts"), "own", _ORIGIN]}),
    _LIMITS,
    _LATE_AND_OVERLAPPING,
    (_("Where it stands"), {"fields": ["settled_until", "runs", "created_at", "changed_at"], "classes": ["collapse"]}),
]
