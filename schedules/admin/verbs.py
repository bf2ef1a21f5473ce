"""What an operator may do to schedules, on a list or on a page: run now, pause, resume, detach, give back, repair.

Each verb has its permission, skips the schedules to which it does not apply, and leaves a line in their history.
What it does, `schedules.changes` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from schedules import changes
from schedules.admin.forms import PauseForm
from schedules.declarations.ownership import give_back, is_declared_here
from schedules.models import Schedule
from schedules.spec import InvalidSchedule
from worker import masking
from worker.admin.tables import TablesAdmin, Verb, read_at
from worker.clock import database_now
from worker.options import options


class ScheduleVerbs(TablesAdmin):
    actions = ("run_now", "pause", "resume", "detach", "give_back", "repair")

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.run_schedule")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.pause_schedule")

    def verbs(self, row: Schedule) -> dict[str, Verb]:
        return {verb: text for verb, text in _effects(row).items() if _APPLIES[verb](row)}

    @admin.action(description=gettext_lazy("Run selected schedules now"), permissions=["run"])
    def run_now(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        def run(row: Schedule, now: datetime) -> str:
            job_id = changes.run_now(row, options().DATABASE, now, by=request.user.get_username())
            return _("Run now: job #%(id)d.") % {"id": job_id}

        count = self._to_each(request, schedules, "run_now", run)
        self._say(request, ngettext("Enqueued %(count)d run.", "Enqueued %(count)d runs.", count), count)

    @admin.action(description=gettext_lazy("Pause selected schedules…"), permissions=["pause"])
    def pause(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> HttpResponse | None:
        """Ask for the reason first."""
        now = database_now(options().DATABASE)
        form = PauseForm(request.POST if "reason" in request.POST else None, now=now)
        if not form.is_valid():
            return self._ask_for_reason(request, schedules, form)
        reason, until = form.cleaned_data["reason"], form.cleaned_data["until"]

        def pause(row: Schedule, now: datetime) -> str:
            by = request.user.get_username()
            changes.pause(row, options().DATABASE, now, reason=reason, by=by, until=until)
            return _("Paused: %(reason)s") % {"reason": reason}

        count = self._to_each(request, schedules, "pause", pause)
        self._say(request, ngettext("Paused %(count)d schedule.", "Paused %(count)d schedules.", count), count)
        return None

    @admin.action(description=gettext_lazy("Resume selected schedules"), permissions=["pause"])
    def resume(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        def resume(row: Schedule, now: datetime) -> str:
            changes.resume(row, options().DATABASE, now)
            return _("Resumed.")

        count = self._to_each(request, schedules, "resume", resume)
        self._say(request, ngettext("Resumed %(count)d schedule.", "Resumed %(count)d schedules.", count), count)

    @admin.action(description=gettext_lazy("Detach selected schedules from their code"), permissions=["change"])
    def detach(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        def detach(row: Schedule, now: datetime) -> str:
            changes.detach(row, options().DATABASE, now)
            return _("Detached from %(place)s.") % {"place": row.declared_in}

        count = self._to_each(request, schedules, "detach", detach)
        self._say(request, ngettext("Detached %(count)d schedule.", "Detached %(count)d schedules.", count), count)

    @admin.action(description=gettext_lazy("Give selected schedules back to the code"), permissions=["change"])
    def give_back(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        def give(row: Schedule, now: datetime) -> str:
            place = give_back(row, options().DATABASE, now).declared_in
            return _("Given back to %(place)s.") % {"place": place}

        count = self._to_each(request, schedules, "give_back", give)
        self._say(request, ngettext("Gave back %(count)d schedule.", "Gave back %(count)d schedules.", count), count)

    @admin.action(description=gettext_lazy("Repair selected schedules"), permissions=["change"])
    def repair(self, request: HttpRequest, schedules: QuerySet[Schedule]) -> None:
        def repair(row: Schedule, now: datetime) -> str:
            changes.repair(row, options().DATABASE, now)
            still = Schedule.objects.using(options().DATABASE).get(pk=row.pk).broken
            if still:
                raise InvalidSchedule(still)
            return _("Repaired: it counts again from now.")

        count = self._to_each(request, schedules, "repair", repair)
        self._say(request, ngettext("Repaired %(count)d schedule.", "Repaired %(count)d schedules.", count), count)

    def _to_each(
        self,
        request: HttpRequest,
        schedules: Iterable[Schedule],
        verb: str,
        do: Callable[[Schedule, datetime], str],
    ) -> int:
        """Do it to those to which it applies, and note what `do` says it did. The others are counted aloud."""
        done = skipped = 0
        rows = list(schedules)
        now = database_now(options().DATABASE)
        for row in rows:
            if not _APPLIES[verb](row):
                skipped += 1
                continue
            try:
                said = do(row, now)
            except (ValueError, Schedule.DoesNotExist) as fault:  # it is broken, or was deleted meanwhile
                self.message_user(request, f"{row.name}: {masking.text(str(fault))}", messages.ERROR)
                continue
            self.log(request, [row], said)
            done += 1
        if skipped:
            said = ngettext(
                "Skipped %(count)d, to which this action does not apply.",
                "Skipped %(count)d, to which this action does not apply.",
                skipped,
            )
            self._say(request, said, skipped, messages.WARNING)
        return done

    def _say(self, request: HttpRequest, pattern: str, count: int, level: int = messages.SUCCESS) -> None:
        if count:
            self.message_user(request, pattern % {"count": count}, level)

    def _ask_for_reason(self, request: HttpRequest, schedules: QuerySet[Schedule], form: PauseForm) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Pause schedules"),
            "opts": self.opts,
            "form": form,
            "schedules": [row for row in schedules if _APPLIES["pause"](row)],
            "effect": WHAT_A_PAUSE_DOES,
            "selected": ACTION_CHECKBOX_NAME,
            "media": self.media,
        }
        return TemplateResponse(request, "schedules/admin/pause.html", context)


WHAT_A_PAUSE_DOES = gettext_lazy(
    "Runs to come do not happen, and jobs that wait behind a run are held. Jobs that are ready, running or to be "
    "tried again go on: cancel them under Jobs, as long as they are not running."
)


def _effects(row: Schedule) -> dict[str, Verb]:
    run = _('Enqueues %(task)s on queue "%(queue)s" at once. The next run keeps its time.')
    return {
        "run_now": Verb(_("Run now"), run % {"task": row.task, "queue": row.queue}),
        "pause": Verb(_("Pause…"), f"{_('Asks for the reason.')} {WHAT_A_PAUSE_DOES}"),
        "resume": Verb(_("Resume"), _("Runs that came due during the pause stay in the ledger as paused.")),
        "detach": Verb(_("Detach"), _("You can edit it then. Its declaration in the code is ignored from then on.")),
        "give_back": Verb(
            _("Give back to the code"), _("The code declares it, too. From then on it follows the code.")
        ),
        "repair": Verb(_("Repair"), _("Counts again from now. Runs that it missed while it was broken will not run.")),
    }


_APPLIES: dict[str, Callable[[Schedule], bool]] = {
    "run_now": lambda row: row.retired_at is None,
    "pause": lambda row: row.paused_at is None and row.retired_at is None,
    "resume": lambda row: row.paused_at is not None and row.retired_at is None,
    "detach": lambda row: row.is_declared,
    "give_back": lambda row: not row.is_declared and is_declared_here(row),
    "repair": lambda row: (bool(row.broken) or row.is_ahead(read_at(row))) and row.retired_at is None,
}
