"""The problems shown above the list of schedules, each with a link to its rows. `overview` finds them."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from schedules.models import Schedule
from schedules.overview import health
from schedules.overview.values import Problem
from worker.admin import labels
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job
from worker.options import options

MOST_TOLD = 10

Told = tuple[SafeString, str, str]
"""A sign, the sentence, and the address of what it is about; none: of no page."""


def told(site: str) -> tuple[list[Told], int]:
    """The first problems, and how many more there are."""
    alias = options().DATABASE
    found = health(alias, database_now(alias)).problems
    shown = [(labels.status("warning", each.code), each.message, _place_of(each, site)) for each in found[:MOST_TOLD]]
    return shown, len(found) - len(shown)


def _place_of(problem: Problem, site: str) -> str:
    match problem:
        case Problem(code="failed-jobs", task=str(task)):
            return _list(site, FinishedJob, state__exact=FinishedState.FAILED.value, task=task)
        case Problem(schedule=str(name)):
            return _list(site, Schedule, q=name)
        case Problem(queue=str(queue)):
            return _list(site, Job, queue=queue)
    return ""


def _list(site: str, model: type[FinishedJob | Job | Schedule], **filters: str) -> str:
    page = reverse(f"{site}:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{page}?{urlencode(filters)}"
