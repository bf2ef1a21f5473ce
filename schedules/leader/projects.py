"""The projects (settings modules) that declare schedules in the same tables. There should be only one.

To each, the schedules of another look as if they had left its own code. So while processes of two projects are alive,
none of these schedules is marked or retired, and the log, checks and lists say so.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from worker import roster
from worker.options import options


def own_project() -> str:
    """Empty where settings come from no module: then nobody can tell."""
    return settings.SETTINGS_MODULE or ""


def other_projects(using: str, now: datetime) -> frozenset[str]:
    """Those of living workers that may lead, without one's own."""
    own = own_project()
    others = roster.seem_alive(using, now, options().RESCUE_AFTER).exclude(project__in=["", own])
    return frozenset(others.values_list("project", flat=True)) if own else frozenset()
