"""Filters by the values that a column has among the newest rows: what they cost does not grow with the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from worker.admin.tables import AnyModelAdmin

NEWEST = 1000


class InUse(admin.SimpleListFilter):
    """By a column. The page's class lists the columns of all its filters in `in_use`: they share one query."""

    column: str

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, str]]:
        choices = dict(self.choice(row) for row in _newest(request, model_admin) if row[self.column] is not None)
        if chosen := self.value():
            choices.setdefault(chosen, self.missing(chosen))
        return sorted(choices.items(), key=lambda choice: choice[1])

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset

    def choice(self, row: dict[str, Any]) -> tuple[str, str]:
        """The value of a row, and what it is called."""
        return row[self.column], row[self.column]

    def missing(self, chosen: str) -> str:
        """What to call a chosen value that no new row has."""
        return chosen


class TaskInUse(InUse):
    title = _("task")
    parameter_name = column = "task"


class QueueInUse(InUse):
    title = _("queue")
    parameter_name = column = "queue"


def _newest(request: HttpRequest, model_admin: Any) -> list[dict[str, Any]]:
    if request not in _read:
        rows = model_admin.get_queryset(request).order_by("-pk")
        _read[request] = list(rows.values(*model_admin.in_use)[:NEWEST])
    return _read[request]


_read: WeakKeyDictionary[HttpRequest, list[dict[str, Any]]] = WeakKeyDictionary()
