"""What slots have ended and the worker has not collected, and the limit of its results in characters.

A worker that was quick holds hundreds of jobs, each of which may return a mebibyte. So it is called when half of what
may wait here does, and no slot begins a job while more does than that.
"""

from __future__ import annotations

from collections import deque
from threading import Condition

from worker.values import ClaimedJob, Ended

MOST_CHARACTERS = 8 * 2**20
"""Of results. While the worker records as much, as much again may be gathered, and what the slots are running."""


class Gathered:
    """Slots add to it, and the worker's thread collects. What has no result costs next to nothing here."""

    def __init__(self) -> None:
        self.characters = 0
        """Of the results that wait."""
        self._ended: deque[Ended] = deque()
        self._is_closed = False
        self._changed = Condition()

    def has(self, job: ClaimedJob) -> bool:
        return any(each.job is job for each in self._ended)

    def add(self, ended: Ended) -> None:
        if kept := ended.kept:
            with self._changed:
                self.characters += len(kept)
        self._ended.append(ended)

    @property
    def is_to_be_collected(self) -> bool:
        return self.characters >= MOST_CHARACTERS // 2

    def wait_for_room(self) -> None:
        """In a slot, before it begins another job."""
        if self.characters > MOST_CHARACTERS:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self.characters <= MOST_CHARACTERS)

    def collect(self) -> list[Ended]:
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        if self.characters:
            with self._changed:
                self.characters -= sum(len(each.kept) for each in ended)
                self._changed.notify_all()
        return ended

    def close(self) -> None:
        """Nobody waits from now on."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
