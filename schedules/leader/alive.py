"""Who leads, as the rows of terms tell it: the newest term, whether it lasts, and for how long all have been silent."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TypeGuard

from django.db.models import Max

from schedules.models import Leadership
from worker.clock import database_now
from worker.options import options

PATIENCE = 5.0
"""Seconds without a sign of life after which another may begin a term; see rule 5 of the protocol."""
SHOWN_ALIVE = 10.0
"""Seconds after its last sign of life for which a leader counts as alive."""


def newest_term(using: str) -> Leadership | None:
    return Leadership.objects.using(using).order_by("-pk").first()


def is_alive(term: Leadership | None, now: datetime, seconds: float | None = None) -> TypeGuard[Leadership]:
    """Whether the newest term still lasts; `seconds`: how long it may give no sign of life.

    A sign of life from the future was given before the database's clock was set back: it says nothing of now.
    """
    patience = timedelta(seconds=seconds or max(SHOWN_ALIVE, 2 * options().HEARTBEAT))
    return term is not None and term.ended_at is None and abs(now - term.renewed_at) <= patience


def another_leads(using: str, leader: str, now: datetime) -> bool:
    """Where the lock lasts for a transaction only, the signs of life tell who leads in between."""
    term = newest_term(using)
    return is_alive(term, now, PATIENCE) and term.leader != leader


def silence(using: str) -> float:
    """Seconds since a leader gave a sign of life; infinite if none ever did."""
    last = Leadership.objects.using(using).aggregate(last=Max("renewed_at"))["last"]
    return math.inf if last is None else (database_now(using) - last).total_seconds()
