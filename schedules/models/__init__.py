"""The tables: schedules, the ledger of their occurrences, and the terms of leaders.

Rows of `Schedule` change only through `schedules.occurrences` (the tick) and `schedules.changes`. Nothing
calls `save()` on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from schedules.models.choices import CATCH_UP, DECLARED, DST_GAP, DST_OVERLAP, LEDGERED, OVERLAP, Kind, Source, Status
from schedules.models.querysets import HIDING, Instant, ScheduleQuerySet, identity_of
from schedules.planning.columns import Columns
from worker.arguments import decode
from worker.indexes import GivenIndex, SteadyIndex
from worker.instants import InstantField, LenientManager
from worker.models import QUEUE_NAME_LENGTH, TASK_NAME_LENGTH

__all__ = [
    "DECLARED",
    "HIDING",
    "LEDGERED",
    "NAME_LENGTH",
    "Instant",
    "Kind",
    "Leadership",
    "Occurrence",
    "Owned",
    "Schedule",
    "ScheduleQuerySet",
    "Source",
    "Status",
    "identity_of",
]

NAME_LENGTH = 255
_MAKERS: Mapping[str, str] = {Source.API: "the API", Source.ADMIN: "an operator", Source.CALL: "a call"}


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
    forgotten_run = InstantField(
        null=True, editable=False, help_text=_("The latest instant with a job that the ledger has forgotten.")
    )
    forgotten_success = InstantField(
        null=True, editable=False, help_text=_("The latest instant of which history has forgotten the success.")
    )

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
