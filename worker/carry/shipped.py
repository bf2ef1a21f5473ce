"""Carriers of what Django has active: the language and the time zone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, timedelta
from datetime import timezone as fixed_offset

from django.conf import settings
from django.utils import timezone, translation

from worker.messages.echo import echo


class Language:
    """Carries the language that is active at the call. The project's own, `LANGUAGE_CODE`, needs no carrying."""

    __module__ = "worker.carry"
    key = "language"

    def capture(self) -> str | None:
        language = translation.get_language()
        return None if language == settings.LANGUAGE_CODE else language

    def restore(self, value: str) -> AbstractContextManager[object]:
        return translation.override(value)


class TimeZone:
    """Carries the time zone that is active at the call. The project's own, `TIME_ZONE`, needs no carrying."""

    __module__ = "worker.carry"
    key = "time_zone"

    def capture(self) -> str | float | None:
        """The IANA name of the zone, or the seconds of a fixed offset. Raises ValueError for a zone without a name."""
        active = timezone.get_current_timezone()
        if isinstance(active, fixed_offset) and active != UTC:
            return active.utcoffset(None).total_seconds()
        name = "UTC" if active == UTC else getattr(active, "key", None) or getattr(active, "zone", None)
        if name is None:
            raise ValueError(f"the active time zone is {echo(active)}, which has no name: activate it by its IANA name")
        return None if name == settings.TIME_ZONE else str(name)

    def restore(self, value: str | float) -> AbstractContextManager[object]:
        return timezone.override(value if isinstance(value, str) else fixed_offset(timedelta(seconds=value)))
