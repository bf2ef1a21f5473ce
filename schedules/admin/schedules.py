"""The pages of schedules: what there is, when it runs, and who may edit or delete it.

A declared schedule belongs to its code, and no field of it can be changed here. All others can be edited. Values that
are entered go through `spec_of` and `schedules.changes`, like every declaration. The verbs are in `verbs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from schedules import changes
from schedules.admin import outlook
from schedules.admin.attention import told
from schedules.admin.fieldsets import TO_EDIT, TO_READ
from schedules.admin.filters import HasStatus
from schedules.admin.forms import ScheduleForm
from schedules.admin.history import last_jobs, last_lines
from schedules.admin.verbs import ScheduleVerbs
from schedules.declarations.sync import declared
from schedules.models import Occurrence, Schedule
from schedules.overview import of_rows
from schedules.overview.past_runs import with_newest
from schedules.spec import InvalidSchedule
from worker.admin import arguments
from worker.admin.filters import QueueInUse, TaskInUse
from worker.admin.tables import read_at
from worker.clock import DatabaseNow, database_now
from worker.models import FinishedJob
from worker.options import options


@admin.register(Schedule)
class ScheduleAdmin(ScheduleVerbs):
    form = ScheduleForm
    change_form_template = "schedules/admin/schedule.html"
    change_list_template = "schedules/admin/schedules.html"
    in_use = ("task", "queue")
    list_display = ("name", "next_run", "status", "when", "last_run")
    list_filter = (HasStatus, QueueInUse, TaskInUse, "source")
    search_fields = ("name", "task")
    search_help_text = gettext_lazy("Name or task")
    sortable_by = ("name", "next_run")
    ordering = (F("next_run_at").asc(nulls_last=True), "name")

    class Media:
        css = {"all": ["schedules/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        return with_newest(rows, DatabaseNow())

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Bring along how the page's schedules stand."""
        changelist = super().get_changelist_instance(request)
        changelist.result_list = rows = list(changelist.result_list)
        _bring_along(rows, runs=1)
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            _bring_along([row], runs=outlook.SHOWN)
        return row

    # Who may do what

    def has_change_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """What is declared, the code changes."""
        return super().has_change_permission(request, obj) and (obj is None or not obj.is_declared)

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """What is declared would come back with the next sync."""
        return super().has_delete_permission(request, obj) and (obj is None or _may_go(obj))

    # Add, edit, delete

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if change and not self.has_change_permission(request, obj):
            kwargs["form"] = forms.ModelForm  # nothing can be entered, so nothing is asked for
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        editable = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        return TO_EDIT if editable else TO_READ

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        alias = options().DATABASE
        now = database_now(alias)
        if change:
            changes.edit(obj, alias, now, **form.columns())
        else:
            obj.pk = changes.bring_in_line(form.spec, alias, now).pk

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._unless_forestalled(super().add_view, request, *args, **kwargs)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._unless_forestalled(super().change_view, request, *args, **kwargs)

    def _unless_forestalled(self, view: Callable[..., Any], request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Somebody else may come between the form's own look and the lock."""
        try:
            return view(request, *args, **kwargs)
        except InvalidSchedule as fault:
            self.message_user(request, str(fault), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        changes.delete(obj, options().DATABASE)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for row in queryset:
            changes.delete(row, options().DATABASE)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The schedules with their ledgers, which may be long: they are counted and not listed."""
        rows = list(objs)
        lines = Occurrence.objects.using(options().DATABASE).filter(schedule__in=[row.pk for row in rows]).count()
        counts = {self.opts.verbose_name_plural: len(rows), Occurrence._meta.verbose_name_plural: lines}
        return [row.name for row in rows], counts, set(), [row.name for row in rows if not _may_go(row)]

    # The page of one schedule

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row is not None:
            context |= {
                "outlook": outlook.next_runs(row.shown, read_at(row)),
                "words": row.shown.description,
                "expression": outlook.expression(row.shown),
                "status": self.status(row),
                "jobs": last_jobs(row, self.admin_site.name, read_at(row)),
                "lines": last_lines(row, self.admin_site.name, read_at(row)),
                "all_lines": f"{self._list(Occurrence)}?schedule_id={row.pk}",
                "all_jobs": f"{self._list(FinishedJob)}?schedule_id={row.pk}",
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """An empty list says what to do about it; what code declares is looked up only then."""
        attention = partial(told, self.admin_site.name)
        context = {**(extra_context or {}), "declared": _count_declared, "attention": attention}
        return super().changelist_view(request, context)

    def _list(self, model: type[Occurrence | FinishedJob]) -> str:
        return reverse(f"{self.admin_site.name}:{model._meta.app_label}_{model._meta.model_name}_changelist")

    # Columns and fields

    @admin.display(description=gettext_lazy("next run"), ordering="next_run_at")
    def next_run(self, row: Any) -> SafeString | str:
        return outlook.next_run_label(row.shown, read_at(row))

    @admin.display(description=gettext_lazy("status"))
    def status(self, row: Any) -> SafeString:
        return outlook.status_label(row.shown, read_at(row))

    @admin.display(description=gettext_lazy("when"))
    def when(self, row: Any) -> SafeString:
        words, given = row.shown.description, outlook.expression(row.shown)
        return format_html('{} <span class="carillon-quiet"><code>{}</code></span>', words, given)

    @admin.display(description=gettext_lazy("last run"))
    def last_run(self, row: Any) -> SafeString | str:
        return outlook.last_run_label(row.shown.last_run, self.admin_site.name, read_at(row))

    @admin.display(description=gettext_lazy("arguments"))
    def given(self, row: Schedule) -> SafeString:
        return arguments.shown(row.task, row.arguments)

    @admin.display(description=gettext_lazy("options of its own"))
    def own(self, row: Schedule) -> SafeString | str:
        return arguments.shown_options(row.task_options)


def _may_go(row: Schedule) -> bool:
    return not row.is_declared or row.retired_at is not None


def _bring_along(rows: Sequence[Any], runs: int) -> None:
    """Give each row its value in the overview, in the same few queries for any number."""
    if rows:
        shown = of_rows(options().DATABASE, rows, read_at(rows[0]), runs)
        for row, value in zip(rows, shown, strict=True):
            row.shown = value


def _count_declared() -> int:
    return len(declared())
