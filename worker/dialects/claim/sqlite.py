"""How jobs are claimed on SQLite: as everywhere, but what its columns hold is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

from django.db import models

from worker.dialects.claim import CLAIMED, Claims
from worker.models import Job
from worker.values import ClaimedJob


class SQLiteClaims(Claims):
    def claimed(self, rows: Sequence[Sequence[Any]], token: int) -> list[ClaimedJob]:
        """Its columns of numbers keep any text. Raises TypeError for one."""
        columns = zip(*rows, strict=True) if rows else ()
        for name, values in zip(CLAIMED, columns, strict=bool(rows)):
            if name in _NUMBERS and not set(map(type, values)) <= _WHOLE:
                raise TypeError(f"A job has no number that can be read in {name}.")
        return super().claimed(rows, token)


_NUMBERS = frozenset(field.column for field in Job._meta.concrete_fields if isinstance(field, models.IntegerField))
_WHOLE = {int, NoneType}
