"""How values look in the admin: a state as a word with a glyph and a colour, an instant, a span of time.

All text is escaped here. It knows no table, no request and no clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.utils.translation import pgettext as _in

from worker import masking
from worker.current.progress import Progress
from worker.instants import is_real
from worker.signs import sign_of

NOTHING = "–"
SHORTENED = 100
"""Characters of an error that a list shows."""


def status(name: str, words: str) -> SafeString:
    """A status: never by colour alone."""
    sign = sign_of(name)
    return format_html(
        '<span class="carillon-status carillon-tone-{}"><span aria-hidden="true">{}</span> {}</span>',
        sign.tone,
        sign.glyph,
        words,
    )


def progress(told: Progress) -> SafeString:
    """How far a job is: as a bar where it says of how much, and always in words, without secrets."""
    done, total = f"{told.done:n}", "" if told.total is None else f"{told.total:n}"
    words = _("%(done)s of %(total)s") % {"done": done, "total": total} if total else done
    note = f" · {masking.line(told.note)}" if told.note else ""
    if told.fraction is None:
        return format_html('<span class="carillon-quiet">{}{}</span>', words, note)
    bar = format_html('<progress max="1" value="{}" aria-label="{}"></progress>', f"{told.fraction:.4f}", words)
    return format_html('<span class="carillon-progress">{} <span>{}{}</span></span>', bar, words, note)


def labelled(head: str, value: SafeString | str) -> SafeString:
    """A value with the head of its column, which is seen where a narrow screen has no columns."""
    return format_html('<span class="carillon-label">{}</span> {}', head, value)


def ago(at: datetime | None, now: datetime) -> SafeString | str:
    """An instant as its distance from now; the exact one, in the reader's zone, on hovering."""
    if at is None or not is_real(at):
        return NOTHING if at is None else unreadable()
    return exact(at, _local(at), relative(at, now))


def moment(at: datetime | None, now: datetime) -> SafeString | str:
    """An instant by the clock of the reader's zone."""
    if at is None or not is_real(at):
        return NOTHING if at is None else unreadable()
    return exact(at, _local(at), wall(_local(at), now))


def unreadable() -> SafeString:
    """What stands where an instant should."""
    return status("broken", _("no instant"))


def exact(at: datetime, local: datetime, words: str) -> SafeString:
    """Words for an instant, which carry the instant itself for machines and for hovering."""
    title = f"{date_format(local, _in('date format', 'D j M Y, H:i:s'))} {local.tzname()}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.astimezone(UTC).isoformat(), title, words)


def wall(local: datetime, now: datetime) -> str:
    """What calendar and clock there show, the year only where it is another. The value stays in its zone."""
    day = _in("date format", "D j M") if local.year == now.year else _in("date format", "D j M Y")
    clock = _in("time format", "H:i:s") if local.second else _in("time format", "H:i")
    return f"{date_format(local, day)}, {date_format(local, clock)}"


def relative(at: datetime, now: datetime) -> str:
    """`in 3 hours, 19 minutes`, or `12 seconds ago`."""
    if at > now:
        return _("in %(time)s") % {"time": span(now, at)}
    return _("%(time)s ago") % {"time": span(at, now)}


def span(start: datetime, end: datetime) -> str:
    """How long it is from one to the other, in words."""
    seconds = int((end - start).total_seconds())
    if seconds < 60:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    return timesince(start, end, depth=2)


def took(start: datetime | None, end: datetime | None) -> str:
    """How long it was from one to the other."""
    if start is None or end is None or not (is_real(start) and is_real(end)):
        return NOTHING
    return duration(max(end - start, timedelta()))


def duration(length: timedelta) -> str:
    seconds = length.total_seconds()
    if seconds < 10:
        return _("%(seconds).2f s") % {"seconds": seconds}
    if seconds < 60:
        return _("%(seconds)d s") % {"seconds": seconds}
    if seconds < 3600:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": seconds // 60, "seconds": seconds % 60}
    return _("%(hours)d h %(minutes)d min") % {"hours": seconds // 3600, "minutes": seconds % 3600 // 60}


def first_line(text: str) -> str:
    """The start of a message, for a cell of a table."""
    line = text.strip().partition("\n")[0]
    return f"{line[:SHORTENED]}…" if len(line) > SHORTENED else line


def _local(at: datetime) -> datetime:
    try:
        return localtime(at)
    except OverflowError:  # the last hours of the year 9999
        return at
