"""Whether a form is stale: who has changed the schedule since the form was opened, and which fields."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from schedules.changes import marks_of
from schedules.models import Schedule


def opened_with(row: Schedule) -> str:
    """What a form keeps of the schedule for which it was opened: marks, and no values."""
    last = _history(row).values_list("pk", flat=True).first()
    return json.dumps({"last": last or 0, "marks": marks_of(row)})


def changed_since(row: Schedule, opened: str) -> str | None:
    """The sentence that refuses what is stale; None: nothing has changed."""
    try:
        given: dict[str, Any] = json.loads(opened)
        marks, last = dict(given["marks"]), int(given["last"])
    except (ValueError, TypeError, KeyError):
        return _("This form cannot be read any more. Open the page again.")
    changed = [name for name, mark in marks_of(row).items() if marks.get(name) != mark]
    if not changed:
        return None
    users = _history(row).filter(pk__gt=last).values_list("user__username", flat=True)
    by = ", ".join(sorted(set(users))) or _("code or the API")
    labels = {field.name: str(field.verbose_name) for field in Schedule._meta.concrete_fields}
    fields = ", ".join(labels[name] for name in changed)
    return _(
        "Not saved: %(by)s changed this schedule after you opened the page (%(fields)s). "
        "Open the page again, and edit what it shows now."
    ) % {"by": by, "fields": fields}


def _history(row: Schedule) -> QuerySet[LogEntry]:
    of_it = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Schedule), object_id=str(row.pk))
    return of_it.order_by("-pk")
