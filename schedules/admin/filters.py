"""Filters by schedule and by the status of a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from schedules.models import Schedule, Status
from schedules.occurrences.jobs import lanes_of
from worker.admin.filters import InUse
from worker.clock import DatabaseNow
from worker.models import Job
from worker.options import options


class HasStatus(admin.SimpleListFilter):
    """By what `Schedule.status_at` says."""

    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return Status.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.value()
        return queryset.with_status(chosen, DatabaseNow()) if chosen in Status else queryset


class ScheduleInUse(InUse):
    """By schedule: those of the newest rows, by their names."""

    title = gettext_lazy("schedule")
    parameter_name = column = "schedule_id"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        if not chosen:
            return queryset
        if not _is_key(chosen):
            return queryset.none()
        # The live jobs of a schedule are found by the index of their lanes.
        of_it = {"lane__in": lanes_of(int(chosen))} if queryset.model is Job else {"schedule_id": int(chosen)}
        return queryset.filter(**of_it)

    def choice(self, row: dict[str, Any]) -> tuple[str, str]:
        return str(row["schedule_id"]), row["schedule_name"] or _gone(row["schedule_id"])

    def missing(self, chosen: str) -> str:
        known = Schedule.objects.using(options().DATABASE).filter(pk__in=[int(chosen)] if _is_key(chosen) else [])
        return known.values_list("name", flat=True).first() or _gone(chosen)


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _gone(key: object) -> str:
    return _("#%(id)s, deleted") % {"id": str(key)[:20]}
