"""The words that columns of the tables may hold, and how people read them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from schedules.planning.due import Ledgered
from schedules.planning.policies import CatchUp, Overlap


class Source(models.TextChoices):
    """Where a schedule comes from, and so who may change it."""

    CODE = "code", _("code")
    SETTINGS = "settings", _("settings")
    CALL = "call", _("call")
    """A call of a @background task that repeats."""
    API = "api", _("API")
    ADMIN = "admin", _("admin")


DECLARED = (Source.CODE, Source.SETTINGS)


class Status(models.TextChoices):
    """The status of a schedule."""

    ACTIVE = "active", _("active")
    PAUSED = "paused", _("paused")
    BROKEN = "broken", _("broken")
    """It cannot be decided on, or its cursor is ahead of the clock."""
    ENDED = "ended", _("ended")
    """Nothing of it is to come."""
    RETIRED = "retired", _("retired")
    """Its declaration is gone."""


class Kind(models.TextChoices):
    NOMINAL = "nominal", _("nominal")
    MANUAL = "manual", _("manual")


CATCH_UP = [
    (CatchUp.LATEST.value, _("run the newest")),
    (CatchUp.EARLIEST.value, _("run the oldest")),
    (CatchUp.ALL.value, _("run all")),
    (CatchUp.NONE.value, _("run none that is late")),
]
OVERLAP = [
    (Overlap.SKIP.value, _("skip the run")),
    (Overlap.ALLOW.value, _("run side by side")),
    (Overlap.QUEUE_ONE.value, _("let one wait")),
    (Overlap.QUEUE_ALL.value, _("let all wait, in order")),
]
DST_GAP = [("run", _("run once, at the change")), ("skip", _("skip"))]
DST_OVERLAP = [("first", _("the first time")), ("second", _("the second time")), ("both", _("both times"))]
LEDGERED = [
    (Ledgered.ENQUEUED.value, _("enqueued")),
    (Ledgered.COALESCED.value, _("coalesced")),
    (Ledgered.MISSED.value, _("missed")),
    (Ledgered.SKIPPED_OVERLAP.value, _("skipped: overlap")),
    (Ledgered.PAUSED.value, _("paused")),
    (Ledgered.EXCLUDED.value, _("excluded")),
    (Ledgered.SKIPPED_DST.value, _("skipped: clock change")),
    (Ledgered.BACKFILLED.value, _("backfilled")),
    (Ledgered.BROKEN.value, _("broken")),
    (Ledgered.ENDED.value, _("ended")),
    (Ledgered.NOT_BEGUN.value, _("not begun")),
    (Ledgered.RETIRED.value, _("retired")),
    (Ledgered.MANUAL.value, _("run by hand")),
]
