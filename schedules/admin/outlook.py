"""How the values of the overview look on the pages of schedules. It reads no table, and decides nothing about time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from schedules.models import LEDGERED, Status
from schedules.overview.past_runs import RETRYING
from schedules.overview.values import LATE, PastRun, Upcoming
from schedules.recurrence import InvalidRecurrence
from schedules.recurrence.zones import is_shown_twice, local, offset_text
from worker.admin import labels
from worker.admin.records import page_of_job
from worker.instants import is_real
from worker.models import FinishedState, Job, JobState

SHOWN = 6
OUTCOMES = {
    **dict(LEDGERED),
    **dict(JobState.choices),
    **dict(FinishedState.choices),
    RETRYING: gettext_lazy("to be retried"),
}


@dataclass(frozen=True, slots=True)
class ToldRun:
    """A run to come: by the schedule's clock, from now, exactly, and what is special about it."""

    wall: SafeString
    relative: SafeString | str
    iso: str
    note: str

    @property
    def mark(self) -> SafeString | str:
        return labels.status("warning", self.note) if self.note else ""


def expression(schedule: Upcoming) -> str:
    """The expression or the period as it was given, where it is not what the words say."""
    return "" if schedule.expression == schedule.description else schedule.expression


def next_runs(schedule: Upcoming, now: datetime) -> list[ToldRun]:
    """The next few, and what the change of a clock or an excluded date has to do with them."""
    runs = [(run.at, run.note or "") for run in schedule.next_runs]
    runs += [(at, _("Excluded: does not run")) for at in schedule.left_out]
    return [
        ToldRun(wall(at, schedule.timezone, now), _distance(schedule, at, now), _iso(at, schedule.timezone), note)
        for at, note in sorted(runs)
    ]


def next_run_label(schedule: Upcoming, now: datetime) -> SafeString | str:
    at = schedule.next_run_at
    if at is None:
        return labels.labelled(_("Next run"), labels.NOTHING)
    return format_html(
        '{} <span class="carillon-quiet">{}</span> <span class="carillon-quiet">{}</span>',
        labels.labelled(_("Next run"), wall(at, schedule.timezone, now)),
        schedule.timezone,
        _distance(schedule, at, now),
    )


def last_run_label(run: PastRun | None, site: str, now: datetime) -> SafeString | str:
    if run is None:
        return labels.labelled(_("Last run"), labels.NOTHING)
    label = labels.status(run.outcome, str(OUTCOMES.get(run.outcome, run.outcome)))
    if run.job_id is not None:
        # The page of a live job leads on to where a finished one is.
        label = format_html('<a href="{}">{}</a>', page_of_job(site, Job, run.job_id), label)
    return format_html(
        '{} <span class="carillon-quiet">{}</span>',
        labels.labelled(_("Last run"), label),
        " · ".join(_when_and_how_long(run, now)),
    )


def status_label(schedule: Upcoming, now: datetime) -> SafeString:
    label = labels.status(schedule.status, str(Status(schedule.status).label))
    return format_html('{} <span class="carillon-quiet">{}</span>', label, _why(schedule, now))


def wall(at: datetime, timezone: str, now: datetime) -> SafeString:
    """An instant by the clock of a schedule's zone; with its offset from UTC where that shows the same time twice."""
    if not is_real(at):
        return labels.unreadable()
    there = in_zone(at, timezone)
    return labels.exact(at, there, f"{labels.wall(there, now)}{_which(at, timezone)}")


def in_zone(at: datetime, timezone: str) -> datetime:
    try:
        return local(at, timezone)
    except InvalidRecurrence:  # the zone is unknown, or the date beyond the calendar's end
        return at


def _which(at: datetime, timezone: str) -> str:
    with suppress(InvalidRecurrence):
        if is_shown_twice(at, timezone):
            return f" {offset_text(local(at, timezone))}"
    return ""


def _distance(schedule: Upcoming, at: datetime, now: datetime) -> SafeString | str:
    """From now; of what is overdue, for how long nobody has decided on it."""
    since = schedule.overdue_since
    if at > now or since is None or now - since <= LATE:
        return labels.relative(at, now)
    return labels.status("late", _("late by %(time)s") % {"time": labels.span(since, now)})


def _when_and_how_long(run: PastRun, now: datetime) -> Iterator[str]:
    yield labels.relative(run.at, now)
    if run.duration is not None:
        yield labels.duration(timedelta(seconds=max(run.duration, 0)))


def _why(schedule: Upcoming, now: datetime) -> str:
    match schedule.status:
        case Status.PAUSED:
            return _why_paused(schedule, now)
        case Status.BROKEN:
            return schedule.broken or _("Its next run is far off: the clock was set back.")
        case Status.RETIRED:
            return _("No code declares it any more.")
        case Status.ENDED:
            return _("No run is left.")
    return ""


def _why_paused(schedule: Upcoming, now: datetime) -> str:
    pause = schedule.pause
    if pause is None:
        return ""
    parts = [pause.reason, pause.by]
    if pause.until is not None:
        parts.append(_("until %(time)s") % {"time": labels.wall(in_zone(pause.until, schedule.timezone), now)})
    return " · ".join(filter(None, parts))


def _iso(at: datetime, timezone: str) -> str:
    return in_zone(at, timezone).isoformat()
