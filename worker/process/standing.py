"""The heartbeat of a worker: its row in the table of workers, and its signs of life, which keep its jobs its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worker import queue, roster
from worker.clock import Monotonic
from worker.options import options
from worker.values import ClaimedJob


class Standing:
    """Of a worker of this name, with so many slots, for these queues (none: all). `project`: see `roster.sign_in`."""

    def __init__(self, name: str, slots: int, queues: Sequence[str], clock: Monotonic, project: str = "") -> None:
        self.name = name
        self.slots = slots
        self.queues = tuple(queues)
        self.project = project
        self.signed_in_as: int | None = None
        self.beat_at = clock.monotonic()
        """When the next sign of life is due."""
        self._clock = clock

    @property
    def id(self) -> int:
        assert self.signed_in_as is not None, "a worker that has not signed in claims nothing"
        return self.signed_in_as

    def take(self, using: str, held: Sequence[ClaimedJob]) -> bool:
        """Sign in, or be there again after the database was lost: jobs of this worker that are not `held` go back.

        False: it was taken for dead meanwhile. Then nothing is given back, for its id may be another's.
        """
        self.beat_at = self._clock.monotonic()
        if self.signed_in_as is None:
            self.signed_in_as = roster.sign_in(using, self.name, self.slots, self.queues, self.project)
        elif roster.is_of(using, self.id, self.name):
            queue.release_unheld(using, self.id, held)
        else:
            self.signed_in_as = None
        return self.signed_in_as is not None

    def keep(self, using: str, **told: Any) -> bool:
        """Give a sign of life (`roster.beat`). False: this worker was taken for dead, and its jobs are others' now."""
        alive = roster.beat(using, self.id, **told)
        if not alive:
            self.signed_in_as = None
        self.beat_at = self._clock.monotonic() + options().HEARTBEAT
        return alive

    def leave(self, using: str) -> None:
        """Sign off."""
        roster.sign_off(using, self.id)
