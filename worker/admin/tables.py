"""What all our pages in the admin share: where the rows come from, and how an operator's verb is done.

A verb is an admin action with a permission of its own. On a list it works on the selected rows. On the page of an
object it is a button that posts to `do/<verb>/` and works on that object. So each verb is written once, and its
permission is checked in one place. Each page decides which verbs it has.

A list answers only the look-ups of its own filters. Otherwise a person who may only look could read masked secrets
letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin import FieldListFilter, SimpleListFilter
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import get_fields_from_path, quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import url_params_from_lookup_dict
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from worker import masking
from worker.clock import DatabaseNow
from worker.options import options

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin

LONGEST_SEARCH = 255
"""Characters. No name is longer, and each word costs a condition, of which a database takes only so many."""


@dataclass(frozen=True, slots=True)
class Button:
    """A verb on an object's page, and what it will do."""

    label: str
    effect: str
    url: str


class SortedAsOffered(ChangeList):
    """A list that an address sorts by no column but those by which its page offers to."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


class Verb(NamedTuple):
    """How something that may be done is called, and what it will do."""

    label: str
    effect: str


class TablesAdmin(AnyModelAdmin):
    """Rows on the alias that holds our tables. Each brings along the database's time at which it was read."""

    change_form_template = "worker/admin/change_form.html"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering: ClassVar[Any] = ("-pk",)

    class Media:
        css = {"all": ["worker/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).using(options().DATABASE).annotate(now=DatabaseNow())
        return rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SortedAsOffered

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the page's own filters ask for, and what `limit_choices_to` of somebody's foreign key does."""
        return any(lookup in self._asked_by(each, request) for each in self.get_list_filter(request)) or any(
            url_params_from_lookup_dict(limit() if callable(limit) else limit).get(lookup) == value
            for limit in self.opts.related_fkey_lookups
        )

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        return super().get_search_results(request, queryset, search_term[:LONGEST_SEARCH])

    def get_urls(self) -> list[URLPattern]:
        do = path(
            "<path:object_id>/do/<slug:verb>/",
            self.admin_site.admin_view(require_POST(self.do)),
            name=f"{self.opts.app_label}_{self.opts.model_name}_do",
        )
        return [do, *super().get_urls()]

    def do(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Do the verb to one object, for a user who may."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        permitted = set(self.get_actions(request)) & set(self.actions or ())
        if not self.has_view_or_change_permission(request, row) or verb not in permitted:
            raise PermissionDenied
        if verb not in self.verbs(row):
            self.message_user(request, _("This action does not apply any more."), messages.WARNING)
            return HttpResponseRedirect(self.page_of(row.pk))
        response: HttpResponse | None = getattr(self, verb)(request, self.get_queryset(request).filter(pk=row.pk))
        return response or HttpResponseRedirect(self.page_of(row.pk))

    def verbs(self, row: Any) -> dict[str, Verb]:
        """What may be done to that row as it stands."""
        return {}

    def buttons(self, request: HttpRequest, row: Any) -> list[Button]:
        permitted = self.get_actions(request)
        return [
            Button(verb.label, verb.effect, self._url("do", row.pk, name))
            for name, verb in self.verbs(row).items()
            if name in permitted
        ]

    def page_of(self, pk: int) -> str:
        return self._url("change", pk)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if row := kwargs.get("obj"):
            context["buttons"] = self.buttons(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def log(self, request: HttpRequest, rows: Iterable[Model], message: str) -> None:
        """Note a verb in the history of each row, without secrets: a history is shown as it stands."""
        assert request.user.pk is not None  # nobody gets here without logging in
        LogEntry.objects.log_actions(request.user.pk, list(rows), CHANGE, masking.text(message))

    def _asked_by(self, chosen: Any, request: HttpRequest) -> list[str | None]:
        """The parameters in the links of a filter: a class, a field, or a field and a class."""
        if isinstance(chosen, type) and issubclass(chosen, SimpleListFilter):
            return [chosen.parameter_name]
        path, make = (chosen, FieldListFilter.create) if isinstance(chosen, str) else chosen
        field = get_fields_from_path(self.model, path)[-1]
        asked: list[str | None] = make(field, request, {}, self.model, self, field_path=path).expected_parameters()
        return asked

    def _url(self, name: str, pk: int, *more: str) -> str:
        route = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}"
        return reverse(route, args=[quote(pk), *more])


class ReadOnlyAdmin(TablesAdmin):
    """Rows that nobody edits."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def read_at(row: Model) -> datetime:
    """The database's time when the row was read."""
    at: datetime = row.__dict__["now"]
    return at
