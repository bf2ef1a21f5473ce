"""The sentence for a cron expression, or none: a wrong sentence is worse than the expression itself.

Decides which expressions are simple enough to be said, and says them by whole patterns, the period first. It
reads parsed fields and never the text, so spellings that mean the same read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from schedules.recurrence.cron_fields import LAST_WEEK, SHORTEST_MONTH, CronFields

IN_FULL = 4
"""So many values are listed in full; more are abridged if evenly spaced, or listed if they are few."""
FEW = 8


def sentence_of(fields: CronFields) -> str | None:
    """What the fields mean, in the active language; None if that has no short and right sentence."""
    return _rhythm_sentence(fields) or _times_sentence(fields)


def _rhythm_sentence(fields: CronFields) -> str | None:
    """For what recurs through the day, every day or on certain weekdays."""
    rhythm = _rhythm(fields)
    if rhythm is None or _is_any_day(fields):
        return rhythm
    if not _is_by_weekday(fields):
        return None
    words = {"rhythm": rhythm, "weekdays": _weekdays(fields)}
    if _is_span(_from_monday(fields)):
        return _("%(rhythm)s, %(weekdays)s") % words
    return _("%(rhythm)s, only on %(weekdays)s") % words


def _rhythm(fields: CronFields) -> str | None:
    all_hours = len(fields.hours) == 24
    if fields.seconds != (0,):
        return _every_n_seconds(fields.seconds) if all_hours and len(fields.minutes) == 60 else None
    if all_hours:
        return _every_n_minutes(fields.minutes) or _minutes_of_every_hour(fields.minutes)
    return _part_of_a_day(fields) or _every_n_hours(fields)


def _every_n_seconds(seconds: Sequence[int]) -> str | None:
    step = _step_through(seconds, 60)
    if step is None:
        return None
    return ngettext("Every second", "Every %(count)d seconds", step) % {"count": step}


def _every_n_minutes(minutes: Sequence[int]) -> str | None:
    step = _step_through(minutes, 60)
    if step is None:
        return None
    return ngettext("Every minute", "Every %(count)d minutes", step) % {"count": step}


def _minutes_of_every_hour(minutes: Sequence[int]) -> str | None:
    if minutes == (0,):
        return _("Every hour")
    listed = _listed(minutes, [str(minute) for minute in minutes])
    if listed is None:
        return None
    step = _step(minutes)
    if step and minutes[0] == 0 and minutes[-1] + step >= 60:
        pattern = _("Minutes %(minutes)s of every hour (not evenly every %(step)d)")
        return pattern % {"minutes": listed, "step": step}
    pattern = ngettext("Minute %(minutes)s of every hour", "Minutes %(minutes)s of every hour", len(minutes))
    return pattern % {"minutes": listed}


def _part_of_a_day(fields: CronFields) -> str | None:
    if _step(fields.hours) != 1 and len(fields.hours) > 1:
        return None
    first = _clock(fields.hours[0], fields.minutes[0])
    last = _clock(fields.hours[-1], fields.minutes[-1])
    step = _step_through(fields.minutes, 60)
    if step:
        pattern = ngettext(
            "Every minute from %(first)s to %(last)s",
            "Every %(count)d minutes from %(first)s to %(last)s",
            step,
        )
        return pattern % {"count": step, "first": first, "last": last}
    if len(fields.minutes) == 1 and _is_span(fields.hours):
        return _("Every hour from %(first)s to %(last)s") % {"first": first, "last": last}
    return None


def _every_n_hours(fields: CronFields) -> str | None:
    step = _step(fields.hours)
    if not step or step * len(fields.hours) != 24 or len(fields.hours) == 2 or len(fields.minutes) > 1:
        return None
    pattern = _("Every %(count)d hours, at %(times)s")
    return pattern % {"count": step, "times": _times(fields)}


def _times_sentence(fields: CronFields) -> str | None:
    """For what happens at a few times of certain days."""
    times = _times(fields)
    if times is None:
        return None
    if _is_any_day(fields):
        return _("Every day at %(times)s") % {"times": times}
    if _is_by_weekday(fields):
        return _on_weekdays(fields, times)
    if _is_by_nth_weekday(fields):
        return _on_nth_weekday(fields, times)
    if _is_by_day_of_month(fields):
        return _on_days_of_month(fields, times)
    if _is_by_either_day(fields):
        return _on_either_day(fields, times)
    return None


def _on_weekdays(fields: CronFields, times: str) -> str:
    words = {"weekdays": _weekdays(fields), "times": times}
    if _is_span(_from_monday(fields)):
        return _("%(weekdays)s at %(times)s") % words
    return _("Every %(weekdays)s at %(times)s") % words


def _on_nth_weekday(fields: CronFields, times: str) -> str:
    ((weekday, week),) = fields.nth_weekdays
    pattern = {
        1: _("The first %(weekday)s of every month at %(times)s"),
        2: _("The second %(weekday)s of every month at %(times)s"),
        3: _("The third %(weekday)s of every month at %(times)s"),
        4: _("The fourth %(weekday)s of every month at %(times)s"),
        5: _("The fifth %(weekday)s of every month that has one, at %(times)s"),
        LAST_WEEK: _("The last %(weekday)s of every month at %(times)s"),
    }[week]
    return pattern % {"weekday": _name_of_weekday(weekday), "times": times}


def _on_days_of_month(fields: CronFields, times: str) -> str | None:
    if fields.last_day:
        only = not fields.days and _is_every_month(fields)
        return _("The last day of every month at %(times)s") % {"times": times} if only else None
    days = _listed(fields.days, [str(day) for day in fields.days])
    months = _all_of([str(MONTHS[month]) for month in fields.months])
    in_every_month = fields.days[-1] <= SHORTEST_MONTH
    if days is None or not (in_every_month or _is_every_month(fields)):
        return None
    pattern = _days_pattern(fields) if in_every_month else _scarce_days_pattern(fields)
    return pattern % {"days": days, "months": months, "times": times}


def _days_pattern(fields: CronFields) -> str:
    if _is_every_month(fields):
        return ngettext(
            "Day %(days)s of every month at %(times)s",
            "Days %(days)s of every month at %(times)s",
            len(fields.days),
        )
    if len(fields.days) == len(fields.months) == 1:
        return _("Every year on %(days)s %(months)s at %(times)s")
    return ngettext(
        "Day %(days)s of %(months)s at %(times)s", "Days %(days)s of %(months)s at %(times)s", len(fields.days)
    )


def _scarce_days_pattern(fields: CronFields) -> str:
    return ngettext(
        "Day %(days)s of every month that has one, at %(times)s",
        "Days %(days)s of every month, as far as it has them, at %(times)s",
        len(fields.days),
    )


def _on_either_day(fields: CronFields, times: str) -> str | None:
    if len(fields.days) > FEW:
        return None
    words = {"times": times, "days": _any_of([str(day) for day in fields.days])}
    weekdays = _from_monday(fields)
    if _is_span(weekdays):
        words |= {"first": str(WEEKDAYS[weekdays[0]]), "last": str(WEEKDAYS[weekdays[-1]])}
        return _("At %(times)s on day %(days)s of the month, or any day from %(first)s to %(last)s") % words
    words["weekdays"] = _any_of([str(WEEKDAYS[weekday]) for weekday in weekdays])
    return _("At %(times)s on day %(days)s of the month, or any %(weekdays)s") % words


def _is_every_month(fields: CronFields) -> bool:
    return len(fields.months) == 12


def _is_any_day(fields: CronFields) -> bool:
    full = len(fields.days) == 31, len(fields.weekdays) == 7
    return _is_every_month(fields) and (any(full) if fields.either_day else all(full))


def _is_by_weekday(fields: CronFields) -> bool:
    return _is_by_the_week(fields) and not fields.nth_weekdays


def _is_by_nth_weekday(fields: CronFields) -> bool:
    return _is_by_the_week(fields) and not fields.weekdays and len(fields.nth_weekdays) == 1


def _is_by_the_week(fields: CronFields) -> bool:
    return _is_every_month(fields) and not fields.either_day and len(fields.days) == 31


def _is_by_day_of_month(fields: CronFields) -> bool:
    return not fields.either_day and len(fields.weekdays) == 7


def _is_by_either_day(fields: CronFields) -> bool:
    plain = not fields.last_day and not fields.nth_weekdays
    return plain and fields.either_day and _is_every_month(fields)


def _weekdays(fields: CronFields) -> str:
    weekdays = _from_monday(fields)
    if _is_span(weekdays):
        ends = {"first": str(WEEKDAYS[weekdays[0]]), "last": str(WEEKDAYS[weekdays[-1]])}
        return _("%(first)s to %(last)s") % ends
    return _all_of([str(WEEKDAYS[weekday]) for weekday in weekdays])


def _from_monday(fields: CronFields) -> list[int]:
    return sorted((weekday - 1) % 7 for weekday in fields.weekdays)


def _name_of_weekday(weekday: int) -> str:
    return str(WEEKDAYS[(weekday - 1) % 7])


def _times(fields: CronFields) -> str | None:
    times = list(product(fields.hours, fields.minutes, fields.seconds))
    if len(times) > 24:
        return None
    ordinals = [hour * 3600 + minute * 60 + second for hour, minute, second in times]
    with_seconds = any(fields.seconds)
    return _listed(ordinals, [_clock(*(time if with_seconds else time[:2])) for time in times])


def _clock(*numbers: int) -> str:
    return ":".join(f"{number:02}" for number in numbers)


def _listed(values: Sequence[int], texts: Sequence[str]) -> str | None:
    """The texts of the values in one phrase; None if they are many and uneven."""
    if len(texts) > IN_FULL and _step(values):
        return _("%(first)s, %(second)s, … %(last)s") % {
            "first": texts[0],
            "second": texts[1],
            "last": texts[-1],
        }
    return _all_of(texts) if len(texts) <= FEW else None


def _all_of(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return _("%(list)s and %(last)s") % {"list": ", ".join(texts[:-1]), "last": texts[-1]}


def _any_of(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return _("%(list)s or %(last)s") % {"list": ", ".join(texts[:-1]), "last": texts[-1]}


def _step(values: Sequence[int]) -> int | None:
    """The distance between neighbours, if it is the same everywhere."""
    distances = {later - earlier for earlier, later in pairwise(values)}
    return distances.pop() if len(distances) == 1 else None


def _step_through(values: Sequence[int], size: int) -> int | None:
    """The step, if the values go evenly round a clock of this size, from 0."""
    step = _step(values)
    return step if step and values[0] == 0 and step * len(values) == size else None


def _is_span(values: Sequence[int]) -> bool:
    """Whether the values are neighbours, and enough of them to be called a span."""
    return len(values) > 2 and _step(values) == 1
