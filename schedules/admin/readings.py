"""Instants in a form: shown and entered by the clock of the schedule's own zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _

from schedules.recurrence import InvalidRecurrence, instant_of
from schedules.recurrence.zones import check_timezone, local


class ReadingWidget(forms.SplitDateTimeWidget):
    """A date and a time. The admin's own shortcuts would fill in the clock of the server."""

    shown_in = "UTC"

    def __init__(self) -> None:
        super().__init__(
            {"type": "date"}, date_format="%Y-%m-%d", time_format="%H:%M:%S", time_attrs={"type": "time", "step": "1"}
        )

    def decompress(self, value: Any) -> tuple[date | None, time | None]:
        if not value:
            return None, None
        try:
            reading = local(value, self.shown_in)
        except InvalidRecurrence:  # its clock has no date for the last instants of all
            reading = local(value, "UTC")
        return reading.date(), reading.time().replace(microsecond=0)


class ReadingField(forms.SplitDateTimeField):
    """`entered_in`: the zone in which it is read; it is shown in another one, where the form changes it."""

    widget = ReadingWidget
    entered_in = "UTC"

    def compress(self, data_list: Any) -> datetime | None:
        with timezone.override(UTC):
            reading: datetime | None = super().compress(data_list)
        return None if reading is None else instant_of(reading.replace(tzinfo=None), self.entered_in)


def use_zones(form: forms.BaseForm, shown: str, entered: Any) -> None:
    """Show instants in one zone and read them in another, and say so. What is no zone, another field refuses."""
    for field in form.fields.values():
        if isinstance(field, ReadingField):
            field.widget.shown_in = _zone(shown)
            field.entered_in = _zone(entered or shown)
            by = _("By the clock of the schedule's time zone, now %(zone)s.") % {"zone": field.widget.shown_in}
            field.help_text = f"{field.help_text} {by}".lstrip()


def _zone(name: Any) -> str:
    try:
        return check_timezone(name)
    except InvalidRecurrence:
        return "UTC"
