"""Filters by schedule and by the status of a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from schedules.models import Schedule
from worker.admin.filters import InUse
from worker.options import options

STATUSES = {
    "active": gettext_lazy("active"),
    "paused": gettext_lazy("paused"),
    "broken": gettext_lazy("broken"),
    "ended": gettext_lazy("ended"),
    "retired": gettext_lazy("retired"),
}
_IN_FORCE = Q(retired_at=None, broken="")
_WITH_STATUS = {
    "active": _IN_FORCE & Q(paused_at=None, next_run_at__isnull=False),
    "paused": _IN_FORCE & Q(paused_at__isnull=False),
    "broken": Q(retired_at=None) & ~Q(broken=""),
    "ended": _IN_FORCE & Q(paused_at=None, next_run_at=None),
    "retired": Q(retired_at__isnull=False),
}


class HasStatus(admin.SimpleListFilter):
    """By what `Schedule.status` says."""

    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return STATUSES.items()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(_WITH_STATUS.get(self.value() or "", Q()))


class ScheduleInUse(InUse):
    """By schedule: those of the newest rows, by their names."""

    title = gettext_lazy("schedule")
    parameter_name = column = "schedule_id"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        if not chosen:
            return queryset
        return queryset.filter(schedule_id=int(chosen)) if _is_key(chosen) else queryset.none()

    def choice(self, row: dict[str, Any]) -> tuple[str, str]:
        return str(row["schedule_id"]), row["schedule_name"] or _gone(row["schedule_id"])

    def missing(self, chosen: str) -> str:
        known = Schedule.objects.using(options().DATABASE).filter(pk__in=[int(chosen)] if _is_key(chosen) else [])
        return known.values_list("name", flat=True).first() or _gone(chosen)


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _gone(key: object) -> str:
    return _("#%(id)s, deleted") % {"id": str(key)[:20]}
