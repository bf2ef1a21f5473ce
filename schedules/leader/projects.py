"""The projects that declare schedules in the same tables, by their settings modules. There should be one.

Each takes what another has declared for what has left its own code. So while processes of two live, nothing of that is
marked or retired, and everybody who looks is told.
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
