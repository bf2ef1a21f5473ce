"""The tables of the queue: live jobs, finished jobs (the history), and worker processes.

Rows of jobs change only through `worker.queue`, and those of workers through `worker.roster`; nothing calls `save()` on
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from worker import results
from worker.arguments import decode
from worker.indexes import GivenIndex, StateIndex
from worker.instants import InstantField, LenientManager, rows_of
from worker.outcomes import ErrorLine, read_error

QUEUE_NAME_LENGTH = 100
TASK_NAME_LENGTH = 255
LANE_LENGTH = 64


class JobState(models.TextChoices):
    SCHEDULED = "scheduled", _("scheduled")
    """Its time has not come: delayed, or waiting for a retry."""
    WAITING = "waiting", _("waiting")
    """Its turn has not come: a job before it in its lane is not finished."""
    HELD = "held", _("held")
    """It waited for its turn, and its lane was stopped."""
    READY = "ready", _("ready")
    RUNNING = "running", _("running")
    """Held by a worker, under a claim."""


class FinishedState(models.TextChoices):
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")
    MISSED = "missed", _("missed")
    """It was not started before its deadline, so it was not run."""


class JobRecord(models.Model):
    """The columns that a job has in the queue and in history alike."""

    task = models.CharField(_("task"), max_length=TASK_NAME_LENGTH)
    arguments = models.TextField(
        _("arguments"), help_text=_("JSON: a list of the positional and the keyword arguments.")
    )
    queue = models.CharField(_("queue"), max_length=QUEUE_NAME_LENGTH)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Larger runs first."))
    verbose_name = models.CharField(_("verbose name"), max_length=255, default="", blank=True)
    creator = models.CharField(
        _("creator"),
        max_length=255,
        default="",
        blank=True,
        help_text=_('The object it was made for, as "app.Model:key".'),
    )
    enqueued_at = InstantField(_("enqueued at"))
    run_at = InstantField(_("run at"), help_text=_("When it may start."))
    attempts = models.PositiveIntegerField(_("attempts"), default=0, help_text=_("Attempts made so far."))
    max_attempts = models.PositiveIntegerField(_("max attempts"))
    interruptions = models.PositiveIntegerField(
        _("interruptions"), default=0, help_text=_("How often its worker died while holding it.")
    )
    errors = models.TextField(
        _("errors"), default="", blank=True, help_text=_("A line of JSON for each failed attempt.")
    )
    schedule_id = models.BigIntegerField(_("schedule"), null=True, blank=True)
    scheduled_for = InstantField(_("scheduled for"), null=True, blank=True)
    retry_of = models.BigIntegerField(
        _("retry of"), null=True, blank=True, help_text=_("The finished job that it repeats.")
    )

    task_options = models.TextField(  # noqa: DJ001  NULL: nearly all have none
        _("options of its own"), null=True, blank=True, help_text=_("JSON: what its schedule says of its task.")
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.verbose_name or self.task} #{self.pk}"

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        """Read from the database that it came from, whatever routers say: they may name a replica that lags."""
        if from_queryset is None:
            from_queryset = rows_of(type(self), using or self._state.db)
        super().refresh_from_db(using, fields, from_queryset)

    @property
    def args(self) -> list[Any]:
        """As they were given. Raises InvalidArguments for what cannot be read."""
        return decode(self.arguments)[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        return decode(self.arguments)[1]

    @property
    def error_list(self) -> list[ErrorLine]:
        """The failed attempts, oldest first: attempt, kind, message, traceback, at."""
        return [read_error(line, self.enqueued_at) for line in self.errors.splitlines()]


class Job(JobRecord):
    """A job from enqueue until it is finished. It keeps its id when it moves to `FinishedJob`."""

    state = models.CharField(_("state"), max_length=10, choices=JobState.choices)
    lane = models.CharField(  # noqa: DJ001  NULL: the many jobs without one are in none of its indexes
        _("lane"),
        max_length=LANE_LENGTH,
        null=True,
        blank=True,
        help_text=_("The key under which jobs take turns. In ASCII."),
    )
    start_by = InstantField(null=True, help_text=_("Not started by then, it is missed."))
    retry_before = InstantField(null=True, help_text=_("No retry starts at or after this."))
    claim = models.BigIntegerField(null=True, help_text=_("The token of the claim that holds it: the fence."))
    worker_id = models.BigIntegerField(_("worker"), null=True)
    claimed_at = InstantField(_("claimed at"), null=True)
    cancel_reason = models.TextField(  # noqa: DJ001  NULL: nobody has asked it to stop
        _("asked to stop"), null=True, help_text=_("Why it was asked to stop while it ran.")
    )

    objects = LenientManager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        default_permissions = ("view",)
        permissions = [("retry_job", _("Can retry jobs")), ("cancel_job", _("Can cancel jobs"))]
        indexes = [
            StateIndex(state="ready", fields=["-priority", "id"], name="worker_job_ready"),
            StateIndex(state="ready", fields=["queue", "-priority", "id"], name="worker_job_ready_queue"),
            StateIndex(state="scheduled", fields=["run_at"], name="worker_job_scheduled"),
            StateIndex(state="waiting", fields=["lane"], name="worker_job_waiting"),
            StateIndex(state="running", fields=["worker_id"], name="worker_job_running"),
            GivenIndex(fields=["lane", "id"], name="worker_job_lane", opclasses=["varchar_pattern_ops", "int8_ops"]),
        ]


class FinishedJob(JobRecord):
    """A finished job. Rows are added and pruned by age; of one that is retried, only that is noted."""

    id = models.BigIntegerField(primary_key=True)
    state = models.CharField(_("state"), max_length=10, choices=FinishedState.choices)
    reason = models.TextField(_("reason"), default="", blank=True)
    worker = models.CharField(_("worker"), max_length=255, default="", blank=True)
    started_at = InstantField(_("started at"), null=True)
    finished_at = InstantField(_("finished at"))
    retried_at = InstantField(_("retried at"), null=True, help_text=_("When it was last enqueued again."))
    result_text = models.TextField(  # noqa: DJ001  NULL: nearly all have none
        _("result"), db_column="result", null=True, blank=True, help_text=_("JSON: what the task returned, if kept.")
    )
    keep_until = InstantField(
        _("kept until"), null=True, blank=True, help_text=_("As its task says. Empty: as long as the settings say.")
    )

    objects = LenientManager()

    class Meta:
        verbose_name = _("finished job")
        verbose_name_plural = _("finished jobs")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["finished_at"], name="worker_finished_at"),
            GivenIndex(fields=["schedule_id", "finished_at"], name="worker_finished_schedule"),
            GivenIndex(fields=["retry_of"], name="worker_finished_retry"),
            GivenIndex(fields=["keep_until"], name="worker_finished_keep"),
            StateIndex(
                state="failed",
                fields=["schedule_id", "finished_at", "interruptions"],
                name="worker_finished_failed",
            ),
        ]

    @property
    def result(self) -> Any:
        """What the task returned, if its result is kept, else None. Raises InvalidArguments for what cannot be read."""
        return None if self.result_text is None else results.decode(self.result_text)


class JobReport(models.Model):
    """What a job has told of itself while it ran. Most jobs tell nothing, and have no row here.

    It has the id of its job, and goes with it. How far the job is, it tells in `attempt` and the columns after it.
    """

    id = models.BigIntegerField(primary_key=True)
    attempt = models.PositiveIntegerField(null=True)
    done = models.FloatField(null=True)
    total = models.FloatField(null=True)
    note = models.CharField(max_length=255, default="", blank=True)
    progress_at = InstantField(null=True)
    log = models.TextField(null=True)  # noqa: DJ001  NULL: few keep one

    objects = LenientManager()

    class Meta:
        verbose_name = _("report of a job")
        verbose_name_plural = _("reports of jobs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"report of job {self.pk}"


class CallLock(models.Model):
    """A row that a call with `remove_existing_tasks` locks, in databases without locks that end with a transaction.

    A row stands for many calls. It holds nothing, and may be deleted at any time.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)

    class Meta:
        verbose_name = _("lock of calls")
        verbose_name_plural = _("locks of calls")
        default_permissions = ()

    def __str__(self) -> str:
        return f"lock {self.pk}"


class WorkerProcess(models.Model):
    """A process that drains queues, and when it last gave a sign of life."""

    name = models.CharField(_("name"), max_length=255, help_text=_("Host and process id."))
    queues = models.TextField(
        _("queues"), default="", blank=True, help_text=_("Empty: all of them. Else a name a line.")
    )
    slots = models.PositiveIntegerField(_("slots"))
    project = models.CharField(
        _("project"),
        max_length=255,
        default="",
        blank=True,
        help_text=_("The settings module of a process that may lead. Empty: it never leads."),
    )
    slots_alive = models.PositiveIntegerField(null=True, help_text=_("At its last sign of life; not given: all."))
    unrecorded = models.PositiveIntegerField(
        _("unrecorded"), default=0, help_text=_("Jobs that have ended, and the database refuses to record that.")
    )
    trouble = models.TextField(_("trouble"), default="", blank=True, help_text=_("Why, as the database said it."))
    chores_refused = models.TextField(
        _("refused chores"),
        default="",
        blank=True,
        help_text=_("Upkeep that the database refuses, and why: a line each."),
    )
    started_at = InstantField(_("started at"))
    heartbeat_at = InstantField(_("last sign of life"), db_index=True)

    objects = LenientManager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name

    @property
    def queue_names(self) -> list[str]:
        return self.queues.splitlines()
