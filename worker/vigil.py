"""A failure detector: who is alive is seen, not dated. Pure: it is told what was seen, and when.

The date of a sign of life comes from a clock that may have been set, and behind a lock even the newest one is old. So a
sign is compared only with the one before it. A worker is silent if its sign has not changed for as long as the watcher
looked without a break. The watcher distrusts itself: if it was held up, it saw nothing, and all whom it watches get
their whole time again.

Seconds are those of one monotonic clock, the watcher's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

LONGEST_PAUSE = 1 / 2
"""Of the patience, between two looks. After a longer one, those who live may have been stopped as well.

They give a sign of life four times within the patience. So one that was due when all of them were stopped is not
missed for longer than the patience before it is given.
"""
LONGEST_LOOK = 1 / 10
"""Of the patience. A look that took longer was held up, and so were those who meant to give a sign of life.

Whoever was refused tries again a heartbeat later: a quarter of the patience at most. A look is held up when half of
the patience is over, or an eighth more. So less than an eighth is left for it.
"""

Key = TypeVar("Key")
Sign = TypeVar("Sign")


@dataclass(frozen=True, slots=True)
class _Watched(Generic[Sign]):
    sign: Sign
    since: float


class Vigil(Generic[Key, Sign]):
    """Over whoever gives signs of life. `patience`: for how many seconds the living may give none."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._watched: dict[Key, _Watched[Sign]] = {}
        self._began = self._ended = -math.inf

    def look(self, signs: Mapping[Key, Sign], *, began: float, ended: float) -> bool:
        """These were seen, at some time from `began` to `ended`. Who is not among them is not watched any more.

        Returns whether it goes on with the look before. If not, it was held up, and begins anew with this one.
        """
        goes_on = began - self._ended <= LONGEST_PAUSE * self.patience
        goes_on = goes_on and ended - began <= LONGEST_LOOK * self.patience
        if not goes_on:
            self.begin_anew()
        self._watched = {key: self._as_before(key, sign) or _Watched(sign, ended) for key, sign in signs.items()}
        self._began, self._ended = began, ended
        return goes_on

    def begin_anew(self) -> None:
        """Whatever was seen counts for nothing."""
        self._watched = {}

    def silent(self, seconds: float | None = None, *, at: float | None = None) -> dict[Key, Sign]:
        """Those who gave no other sign for so many seconds, by default the patience, and the last that each gave.

        `at`: as if they had given none until then; by default, as of the last look.
        """
        patience, until = self.patience if seconds is None else seconds, self._began if at is None else at
        return {key: each.sign for key, each in self._watched.items() if until - each.since >= patience}

    def _as_before(self, key: Key, sign: Sign) -> _Watched[Sign] | None:
        before = self._watched.get(key)
        return before if before is not None and before.sign == sign else None
