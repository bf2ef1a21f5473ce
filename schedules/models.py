"""The tables: schedules, the ledger of their occurrences, and the terms of leaders.

Rows of `Schedule` change only through `schedules.occurrences` (the tick) and `schedules.changes`. Nothing
calls `save()` on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.lookups import GreaterThan
from django.utils.translation import gettext_lazy as _

from schedules.planning.columns import Columns
from schedules.planning.due import Ledgered
from schedules.planning.policies import CatchUp, Overlap
from worker.arguments import decode
from worker.indexes import GivenIndex, SteadyIndex
from worker.instants import FIRST, LAST, InstantField, LenientManager, LenientQuerySet
from worker.models import QUEUE_NAME_LENGTH, TASK_NAME_LENGTH

NAME_LENGTH = 255


class Source(models.TextChoices):
    """Where a schedule comes from, and so who may change it."""

    CODE = "code", _("code")
    SETTINGS = "settings", _("settings")
    CALL = "call", _("call")
    """A call of a @background task that repeats."""
    API = "api", _("API")
    ADMIN = "admin", _("admin")


DECLARED = (Source.CODE, Source.SETTINGS)
_MAKERS: Mapping[str, str] = {Source.API: "the API", Source.ADMIN: "an operator", Source.CALL: "a call"}


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


Instant = datetime | Combinable
"""Or an expression for one: the database's own clock."""

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


HIDING = re.compile(r" ~[0-9a-f]{16}\Z")
"""How the name of a schedule ends that hides arguments of its call."""


def identity_of(name: str) -> str:
    """Identifies a schedule: a digest of its name, because databases differ in which names they take for equal."""
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


class ScheduleQuerySet(LenientQuerySet["Schedule"]):
    def due(self, now: datetime) -> Self:
        return self.filter(next_run_at__lte=now).order_by("next_run_at")

    def named(self, *names: str) -> Self:
        """What the name of a call hides is part of what makes it the same, so such a name is compared itself."""
        same = Q(identity__in=[identity_of(name) for name in names])
        hiding = [name for name in names if HIDING.search(name)]
        return self.filter(same | Q(name__in=hiding, source=Source.CALL) if hiding else same)

    def planned_elsewhere(self, edition: str) -> Self:
        """Next runs that were computed under another edition of the zone data than this."""
        return self.filter(next_run_at__isnull=False).exclude(zone_version=edition)

    def declared(self) -> Self:
        return self.filter(source__in=DECLARED)

    def in_force(self) -> Self:
        """Neither ended nor retired."""
        return self.filter(_IN_FORCE)

    def planned(self) -> Self:
        """Those that have a next run."""
        return self.filter(_ACTIVE)

    def marked_broken(self) -> Self:
        """Those that could not be decided on: they have no next run, by which an index finds them."""
        return self.filter(_BROKEN, next_run_at=None)

    def unreachable(self) -> Self:
        """Those whose next run is not an instant, so that no tick finds them. An index has them."""
        return self.filter(_BEYOND_TIME, retired_at=None, broken="")

    def retired(self) -> Self:
        return self.filter(_RETIRED)

    def broken(self, now: Instant) -> Self:
        return self.filter(_BROKEN | _ahead(now))

    def paused(self) -> Self:
        return self.filter(_PAUSED)

    def ended(self) -> Self:
        return self.filter(_ENDED)

    def active(self, now: Instant) -> Self:
        return self.filter(_ACTIVE & ~_ahead(now))

    def ahead(self, now: Instant) -> Self:
        """See `Schedule.is_ahead`."""
        return self.filter(_ahead(now))

    def with_status(self, status: str, now: Instant) -> Self:
        """Those whose `status_at` that instant is this. Raises ValueError for a word that is no status."""
        match Status(status):
            case Status.RETIRED:
                return self.retired()
            case Status.BROKEN:
                return self.broken(now)
            case Status.PAUSED:
                return self.paused()
            case Status.ENDED:
                return self.ended()
            case Status.ACTIVE:
                return self.active(now)


class Owned:
    """Whose a schedule is. A mixin for values that have its `source` and `declared_in`."""

    __slots__ = ()

    @property
    def is_declared(self: Any) -> bool:
        """Whether it belongs to the code or the settings."""
        return self.source in DECLARED

    @property
    def is_detached(self: Any) -> bool:
        """Whether an operator detached it from the code."""
        return self.source == Source.ADMIN and bool(self.declared_in)

    @property
    def owned(self: Any) -> str:
        """Whose it is, in words: "a schedule of that name …"."""
        if self.is_declared:
            return f"is declared in {self.declared_in}"
        if self.is_detached:
            return f"was detached from {self.declared_in} by an operator"
        return f"was made by {_MAKERS.get(self.source, self.source)}"


class Schedule(Columns, Owned, models.Model):
    """A schedule: which task, with which arguments, on which recurrence, by which policies, and when it runs next."""

    identity = models.CharField(max_length=64, editable=False)
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    formerly = models.TextField(default="", editable=False)
    verbose_name = models.CharField(_("verbose name"), max_length=255, default="", blank=True)
    creator = models.CharField(
        _("creator"),
        max_length=255,
        default="",
        blank=True,
        help_text=_('The user or object for which it runs, such as "app.Model:key".'),
    )
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    declared_in = models.CharField(_("declared in"), max_length=255, default="", blank=True)

    task = models.CharField(_("task"), max_length=TASK_NAME_LENGTH)
    arguments = models.TextField(_("arguments"), default="[[],{}]", help_text=_("JSON: [[positional], {keyword}]."))
    queue = models.CharField(_("queue"), max_length=QUEUE_NAME_LENGTH)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("-100 to 100; larger runs first."))
    max_attempts = models.PositiveIntegerField(_("max attempts"))
    own_options = models.CharField(
        max_length=40,
        default="",
        editable=False,
        help_text=_("Which of queue, priority and max_attempts are not its task's."),
    )
    task_options = models.TextField(  # noqa: DJ001  NULL: nearly all have none
        _("options of its own"), null=True, editable=False, help_text=_("JSON: what else it says of its task.")
    )

    # The recurrence: one of cron, repeat and run_at
    cron = models.CharField(
        _("cron expression"),
        max_length=1000,
        default="",
        blank=True,
        help_text=_("Minute, hour, day, month, weekday."),
    )
    repeat = models.CharField(
        _("repeat"),
        max_length=40,
        default="",
        blank=True,
        help_text=_('Seconds, or text such as "5 minutes" or "1 month".'),
    )
    run_at = InstantField(_("run once at"), null=True, blank=True)
    anchor = InstantField(_("first run"), null=True, blank=True, help_text=_("The instant from which a repeat counts."))
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC")
    dst_gap = models.CharField(_("if the clock skips it"), max_length=10, choices=DST_GAP, default="run")
    dst_overlap = models.CharField(_("if the clock repeats it"), max_length=10, choices=DST_OVERLAP, default="first")

    # The policies
    starts_at = InstantField(_("starts at"), null=True, blank=True)
    repeat_until = InstantField(_("repeat until"), null=True, blank=True)
    max_runs = models.PositiveIntegerField(
        _("max runs"), null=True, blank=True, help_text=_("The schedule ends after so many runs.")
    )
    exclude = models.TextField(
        _("excluded dates"),
        default="",
        blank=True,
        help_text=_("ISO dates in the schedule's zone, separated by blanks."),
    )
    catch_up = models.CharField(
        _("catch-up"),
        max_length=10,
        choices=CATCH_UP,
        default="latest",
        help_text=_("Which of several overdue runs happen."),
    )
    catch_up_window = models.PositiveIntegerField(
        _("catch-up window"),
        null=True,
        blank=True,
        help_text=_("Seconds; runs that are overdue by more are missed."),
    )
    max_catch_up = models.PositiveIntegerField(
        _("max catch-up"), default=100, help_text=_('The most that "run all" runs.')
    )
    late_after = models.PositiveIntegerField(
        _("late after"), default=60, help_text=_('Seconds; with "run none that is late".')
    )
    start_deadline = models.PositiveIntegerField(
        _("start deadline"),
        null=True,
        blank=True,
        help_text=_("Seconds; a job not started by then is missed."),
    )
    overlap = models.CharField(
        _("overlap"),
        max_length=15,
        choices=OVERLAP,
        default="skip",
        help_text=_("When the run before is unfinished."),
    )
    jitter = models.PositiveIntegerField(_("jitter"), default=0, help_text=_("Seconds over which runs are spread."))
    retry_past_next = models.BooleanField(_("retry past the next run"), default=False)

    # Where it stands
    settled_until = InstantField(_("settled until"), help_text=_("The cursor: all before is in the ledger."))
    next_run_at = InstantField(_("next run"), null=True, db_index=True)
    zone_version = models.CharField(max_length=20, default="", editable=False)
    runs = models.PositiveBigIntegerField(_("runs"), default=0)
    enabled = models.BooleanField(_("enabled"), default=True, help_text=_("What its declaration says."))
    revision = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = InstantField(_("created at"))
    changed_at = InstantField(_("changed at"))
    paused_at = InstantField(_("paused at"), null=True)
    paused_until = InstantField(_("paused until"), null=True)
    paused_by = models.CharField(_("paused by"), max_length=255, default="")
    pause_reason = models.CharField(_("pause reason"), max_length=255, default="")
    paused_as_declared = models.BooleanField(default=False, editable=False)
    broken = models.TextField(_("broken"), default="")
    retired_at = InstantField(_("retired at"), null=True)
    undeclared_at = InstantField(null=True, editable=False)
    synced_by = InstantField(null=True, editable=False)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        permissions = [
            ("run_schedule", _("Can run schedules now")),
            ("pause_schedule", _("Can pause schedules")),
        ]
        # Not `unique=True`, with which PostgreSQL gets a second index, for LIKE.
        constraints = [models.UniqueConstraint(fields=["identity"], name="schedules_schedule_identity")]
        indexes = [
            models.Index(fields=["settled_until"], name="schedules_settled_until"),
            GivenIndex(fields=["paused_until"], name="schedules_paused_until"),
            SteadyIndex(fields=["task", "queue", "zone_version"], rewritten=["zone_version"], name="schedules_kinds"),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def put(self) -> dict[str, Any]:
        """By column, what was put into it under its lock and is not written yet (`schedules.changes.row`)."""
        return {}

    @property
    def status(self) -> Status:
        """Its status, without a look at the clock. If several hold, the most serious one."""
        if self.retired_at:
            return Status.RETIRED
        if self.broken:
            return Status.BROKEN
        if self.paused_at:
            return Status.PAUSED
        return Status.ACTIVE if self.next_run_at else Status.ENDED

    def status_at(self, now: datetime) -> Status:
        """Its status at that instant, as it is shown. If it stands still after the clock was set back, it is broken."""
        return Status.BROKEN if self.is_ahead(now) else self.status

    def is_ahead(self, now: datetime) -> bool:
        """Whether the database's clock was set back, so that the schedule would stand still for more than a period."""
        if self.status is not Status.ACTIVE or self.next_run_at is None:
            return False
        has_begun = self.anchor is None or self.anchor <= self.settled_until
        return has_begun and self.settled_until - now > self.next_run_at - self.settled_until

    @property
    def args(self) -> list[Any]:
        """The arguments, as they were given. Raises InvalidArguments if they cannot be read."""
        return decode(self.arguments)[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        return decode(self.arguments)[1]


# What `Schedule.status` and `is_ahead` say, asked of SQL

_RETIRED = Q(retired_at__isnull=False)
_BROKEN = ~_RETIRED & ~Q(broken="")
_PAUSED = ~_RETIRED & Q(broken="", paused_at__isnull=False)
_ACTIVE = ~_RETIRED & Q(broken="", paused_at=None, next_run_at__isnull=False)
_IN_FORCE = ~_RETIRED & (Q(next_run_at__isnull=False) | Q(paused_at__isnull=False) | ~Q(broken=""))
_ENDED = ~_RETIRED & Q(broken="", paused_at=None, next_run_at=None)
_BEYOND_TIME = (
    Q(next_run_at__gte=LAST) | Q(paused_until__gte=LAST) | Q(settled_until__gte=LAST) | Q(settled_until__lte=FIRST)
)


def _ahead(now: Instant) -> Q:
    has_begun = Q(anchor=None) | Q(anchor__lte=F("settled_until"))
    at = Value(now, InstantField()) if isinstance(now, datetime) else now
    stands_still = GreaterThan(F("settled_until") - at, F("next_run_at") - F("settled_until"))
    countable = Q(settled_until__gt=now, settled_until__lt=LAST, next_run_at__lt=LAST)
    beyond_count = When(settled_until__gte=LAST, then=Value(True))
    stands = Case(
        When(countable, then=stands_still), beyond_count, default=Value(False), output_field=models.BooleanField()
    )
    return _ACTIVE & has_begun & Q(settled_until__gt=now) & Q(stands)


class Kind(models.TextChoices):
    NOMINAL = "nominal", _("nominal")
    MANUAL = "manual", _("manual")


class Occurrence(models.Model):
    """A line of the ledger: an instant of a schedule, or a range of them that did not run, and what became of it."""

    schedule = models.ForeignKey(
        Schedule, on_delete=models.CASCADE, related_name="occurrences", verbose_name=_("schedule")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.NOMINAL)
    scheduled_for = InstantField(_("scheduled for"))
    scheduled_until = InstantField(
        _("scheduled until"), null=True, help_text=_("The last instant, where the line stands for several.")
    )
    count = models.PositiveBigIntegerField(_("count"), default=1)
    outcome = models.CharField(_("outcome"), max_length=20, choices=LEDGERED)
    reason = models.CharField(_("reason"), max_length=255, default="")
    job_id = models.BigIntegerField(_("job"), null=True, db_index=True)
    term = models.BigIntegerField(_("term"), null=True)
    recorded_at = InstantField(_("recorded at"), db_index=True)

    objects = LenientManager()

    class Meta:
        verbose_name = _("occurrence")
        verbose_name_plural = _("occurrences")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["schedule", "kind", "scheduled_for"], name="schedules_occurrence_once")
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.scheduled_for.isoformat()} {self.outcome}"

    @property
    def latest(self) -> datetime:
        """The last instant of the line."""
        return self.scheduled_until or self.scheduled_for


class Leadership(models.Model):
    """A term: one continuous hold of the leader's lock."""

    leader = models.CharField(_("leader"), max_length=255)
    lock = models.CharField(_("lock"), max_length=20)
    project = models.CharField(
        _("project"), max_length=255, default="", blank=True, help_text=_("The settings module that declares.")
    )
    others = models.TextField(
        _("other projects"), default="", blank=True, help_text=_("Met in the same tables: a settings module a line.")
    )
    started_at = InstantField(_("started at"))
    renewed_at = InstantField(_("renewed at"), db_index=True)
    ended_at = InstantField(_("ended at"), null=True)
    trouble = models.TextField(_("trouble"), default="", help_text=_("Why the leader makes no ticks."))
    chores_refused = models.TextField(
        _("refused chores"), default="", help_text=_("Upkeep that the database refuses, and why: a line each.")
    )

    objects = LenientManager()

    class Meta:
        verbose_name = _("term")
        verbose_name_plural = _("terms")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.leader} #{self.pk}"
