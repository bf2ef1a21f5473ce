"""Whether a process leads. People see a date; a process that acts on it watches signs of life (`worker.vigil`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, TypeGuard

from django.db import models
from django.db.models.functions import Cast

from schedules.models import Leadership
from worker.clock import Monotonic
from worker.options import options
from worker.vigil import Vigil

SHOWN_ALIVE = 10.0
"""Seconds after its last sign of life for which a leader counts as alive."""
PATIENCE = 5.0
"""Seconds without a sign of life after which another may begin a term; see rule 5 of the protocol."""


class LastSign(NamedTuple):
    """The last sign of life of the newest term. Each differs from the one before it. Instants are texts."""

    term: int
    renewed_at: str
    ended_at: str | None


def last_sign(using: str) -> LastSign | None:
    """None: nobody ever led."""
    terms = Leadership.objects.using(using).order_by("-pk")
    newest = terms.values_list("pk", _as_text("renewed_at"), _as_text("ended_at")).first()
    return newest and LastSign(*newest)


class Rival:
    """Another process that leads. Where the lock lasts for a transaction only, nothing but its signs of life tells.

    `seen`: the sign on which the last answer rests.
    """

    def __init__(self, host: Monotonic) -> None:
        self.host = host
        self.seen: LastSign | None = None
        self.lives = False
        """It gave a sign of life between the last two looks."""
        self._vigil: Vigil[int, LastSign] = Vigil(PATIENCE)

    def leads(self, using: str, own_term: int) -> bool:
        """Whether the newest term goes on, as far as this candidate can tell, and is not its own."""
        began = self.host.monotonic()
        before, self.seen = self.seen, last_sign(using)
        if self.seen is None or self.seen.ended_at or self.seen.term == own_term:
            self.lives = False
            return False
        self.lives = before is not None and before != self.seen
        self._vigil.look({self.seen.term: self.seen}, began=began, ended=self.host.monotonic())
        return not self._vigil.silent()


def newest_term(using: str) -> Leadership | None:
    return Leadership.objects.using(using).order_by("-pk").first()


def is_alive(term: Leadership | None, now: datetime) -> TypeGuard[Leadership]:
    """Whether the newest term seems to last, by the database's clock.

    A sign of life from the future was given before that clock was set back: it says nothing of now.
    """
    patience = timedelta(seconds=max(SHOWN_ALIVE, 2 * options().HEARTBEAT))
    return term is not None and term.ended_at is None and abs(now - term.renewed_at) <= patience


def _as_text(column: str) -> Cast:
    return Cast(column, models.TextField())
