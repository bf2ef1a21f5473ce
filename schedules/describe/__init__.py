"""Recurrences in plain words: whole sentences in the active language, with the zone where it is not the project's.

An expression that has no right and short sentence is shown as it stands; which have one, `cron_sentences` decides.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.dates import MONTHS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from schedules.describe.cron_sentences import sentence_of
from schedules.recurrence import DAILY, HOURLY, MINUTELY, WEEKLY, CalendarEvery, Cron, Every, Once, Recurrence
from schedules.recurrence.cron_fields import SHORTEST_MONTH
from schedules.recurrence.cron_grammar import parse
from schedules.recurrence.zones import clock_text, local


def describe(recurrence: Recurrence, project_timezone: str = "UTC") -> str:
    """What the recurrence means, to be read beside it."""
    match recurrence:
        case Cron():
            sentence = sentence_of(parse(recurrence.expression, recurrence.name))
            if sentence is None:
                return recurrence.expression
            return _with_zone(sentence, recurrence.timezone, project_timezone)
        case CalendarEvery():
            return _with_zone(_calendar_sentence(recurrence), recurrence.timezone, project_timezone)
        case Every():
            return _interval_sentence(recurrence.seconds)
        case Once():
            return _moment_sentence(local(recurrence.at, project_timezone))
    raise TypeError(f"{type(recurrence).__name__} is not a kind of recurrence.")


def _with_zone(sentence: str, timezone: str, project_timezone: str) -> str:
    if timezone == project_timezone:
        return sentence
    return _("%(sentence)s (%(timezone)s)") % {"sentence": sentence, "timezone": timezone}


def _calendar_sentence(recurrence: CalendarEvery) -> str:
    first = local(recurrence.anchor, recurrence.timezone)
    words = {"count": recurrence.every, "day": first.day, "month": MONTHS[first.month], "time": clock_text(first)}
    return _calendar_pattern(recurrence, first) % words


def _calendar_pattern(recurrence: CalendarEvery, first: datetime) -> str:
    match recurrence.unit:
        case "day":
            return ngettext("Every day at %(time)s", "Every %(count)d days at %(time)s", recurrence.every)
        case "month":
            return _monthly_pattern(recurrence.every, clamps=first.day > SHORTEST_MONTH)
        case "year":
            return _yearly_pattern(recurrence.every, leap_day=(first.month, first.day) == (2, 29))


def _monthly_pattern(count: int, clamps: bool) -> str:
    if clamps:
        return ngettext(
            "Every month on day %(day)d, or the last day if there is none, at %(time)s",
            "Every %(count)d months on day %(day)d, or the last day if there is none, at %(time)s",
            count,
        )
    return ngettext(
        "Every month on day %(day)d at %(time)s",
        "Every %(count)d months on day %(day)d at %(time)s",
        count,
    )


def _yearly_pattern(count: int, leap_day: bool) -> str:
    if leap_day:
        return ngettext(
            "Every year on the last day of February at %(time)s",
            "Every %(count)d years on the last day of February at %(time)s",
            count,
        )
    return ngettext(
        "Every year on %(day)d %(month)s at %(time)s",
        "Every %(count)d years on %(day)d %(month)s at %(time)s",
        count,
    )


def _interval_sentence(seconds: int) -> str:
    # 86,400 elapsed seconds are not always a day of the calendar: one day is said in hours.
    if seconds % WEEKLY == 0:
        return _every(ngettext("Every week", "Every %(count)d weeks", seconds // WEEKLY), seconds // WEEKLY)
    if seconds % DAILY == 0 and seconds > DAILY:
        return _every(ngettext("Every day", "Every %(count)d days", seconds // DAILY), seconds // DAILY)
    if seconds % HOURLY == 0 and seconds <= DAILY:
        return _every(ngettext("Every hour", "Every %(count)d hours", seconds // HOURLY), seconds // HOURLY)
    if seconds % MINUTELY == 0 and seconds < HOURLY:
        return _every(ngettext("Every minute", "Every %(count)d minutes", seconds // MINUTELY), seconds // MINUTELY)
    if seconds < MINUTELY:
        return _every(ngettext("Every second", "Every %(count)d seconds", seconds), seconds)
    return _("Every %(duration)s") % {"duration": _duration(seconds)}


def _every(pattern: str, count: int) -> str:
    return pattern % {"count": count}


def _duration(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    parts = [
        (day, _("%(count)d d")),
        (hour, _("%(count)d h")),
        (minute, _("%(count)d min")),
        (second, _("%(count)d s")),
    ]
    return " ".join(pattern % {"count": count} for count, pattern in parts if count)


def _moment_sentence(moment: datetime) -> str:
    return _("Once, on %(date)s at %(time)s") % {"date": f"{moment:%Y-%m-%d}", "time": clock_text(moment)}
