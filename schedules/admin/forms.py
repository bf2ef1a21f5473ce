"""The forms of the admin: a schedule, and the reason for a pause.

`spec_of` decides whether a schedule can work, as it does for code and API. `faults` finds the fields of its errors.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.timezone import make_aware
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from schedules.admin.faults import field_of, sentence
from schedules.admin.own_options import BackoffField, FlagField, shown_in
from schedules.admin.readings import ReadingField, ReadingWidget, use_zones
from schedules.admin.stale import changed_since, opened_with
from schedules.changes import revision_of
from schedules.models import Schedule, Source, identity_of
from schedules.spec import FROM_TASK, OPTIONS, InvalidSchedule, Spec, spec_of
from worker import masking, tasks
from worker.admin.arguments import pretty
from worker.arguments import InvalidArguments, from_json, stored_json
from worker.arguments.sealed import CannotDecode, opened
from worker.clock import database_now
from worker.messages.expected import LATEST
from worker.options import options
from worker.own_options import IN_TEXT

if TYPE_CHECKING:
    ScheduleModelForm = forms.ModelForm[Schedule]
else:
    ScheduleModelForm = forms.ModelForm

ARGUMENTS = ("args", "kwargs")
COLUMNS = tuple(option for option in OPTIONS if option not in ("first_run", *IN_TEXT))
"""Options with a column of their own. That of `first_run` is the anchor."""
INSTANTS = ("run_at", "anchor", "starts_at", "repeat_until")
LONGEST_ARGUMENTS = 100_000
LONGEST_EXCLUDE = 10_000


class JSONText(forms.CharField):
    """JSON of one kind, as text."""

    widget = forms.Textarea

    def __init__(self, kind: type[list[Any] | dict[str, Any]], expected: Any, **options: Any) -> None:
        super().__init__(required=False, max_length=LONGEST_ARGUMENTS, **options)
        self.kind, self.expected = kind, expected
        self.widget.attrs |= {"rows": 3, "spellcheck": "false", "class": "vLargeTextField carillon-code"}

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return self.kind()
        try:
            given = json.loads(text)
        except ValueError as fault:
            raise forms.ValidationError(_("This is not JSON: %(fault)s.") % {"fault": fault}) from fault
        except RecursionError:
            raise forms.ValidationError(_("This is nested too deeply.")) from None
        if not isinstance(given, self.kind):
            raise forms.ValidationError(self.expected)
        return given


class ScheduleForm(ScheduleModelForm):
    """A schedule. `spec` is what it says, once it is valid."""

    task = forms.ChoiceField(label=gettext_lazy("Task"))
    args = JSONText(
        list,
        gettext_lazy('Give a list, such as ["eu", 7].'),
        label=gettext_lazy("Positional arguments"),
        help_text=gettext_lazy('A JSON list, such as ["eu", 7].'),
    )
    kwargs = JSONText(
        dict,
        gettext_lazy('Give an object, such as {"deep": true}.'),
        label=gettext_lazy("Keyword arguments"),
        help_text=gettext_lazy('A JSON object, such as {"deep": true}.'),
    )
    backoff = BackoffField(
        label=gettext_lazy("Backoff"),
        help_text=gettext_lazy("Seconds before the second attempt, doubling; or several, separated by blanks."),
    )
    atomic = FlagField(
        label=gettext_lazy("Atomic"), help_text=gettext_lazy("Whether it and its success are one transaction.")
    )
    fresh_connection = FlagField(
        label=gettext_lazy("Fresh connection"), help_text=gettext_lazy("Whether each run has its own.")
    )
    may_fail = FlagField(
        label=gettext_lazy("May fail"), help_text=gettext_lazy("Whether its failures are left out of the problems.")
    )
    keep_result = FlagField(
        label=gettext_lazy("Keep result"), help_text=gettext_lazy("Whether history keeps what it returns.")
    )
    log = FlagField(
        label=gettext_lazy("Keep log"), help_text=gettext_lazy("Whether what it logs is kept with its jobs.")
    )
    if_past = forms.ChoiceField(
        label=gettext_lazy("If that one instant is past"),
        required=False,
        choices=[("", gettext_lazy("ask")), ("run", gettext_lazy("run at once")), ("miss", gettext_lazy("missed"))],
    )
    opened = forms.CharField(required=False, widget=forms.HiddenInput)
    spec: Spec

    class Meta:
        model = Schedule
        fields = ("name", "anchor", *COLUMNS)
        field_classes = dict.fromkeys(INSTANTS, ReadingField)
        widgets = dict.fromkeys(INSTANTS, ReadingWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].choices = self._tasks()  # type: ignore[attr-defined]  # it is a ChoiceField
        for field in self.fields.values():
            field.error_messages["invalid_choice"] = _("Choose one of these.")  # Django's would repeat what was sent
        self.fields["exclude"].max_length = LONGEST_EXCLUDE  # type: ignore[attr-defined]
        for name in (*FROM_TASK, "timezone"):
            self.fields[name].required = False
        if self.instance.pk is None:
            self.initial.update(priority=None, max_attempts=None, timezone=options().time_zone)
        else:
            self.initial["opened"] = opened_with(self.instance)
            self.revision = revision_of(self.instance)
            self.fields["name"].disabled = True
            self.stored = _arguments_of(self.instance)
            self.shown = masking.arguments(self.instance.task, *self.stored)
            self.initial.update(zip(ARGUMENTS, map(_pretty, self.shown), strict=True))
            self.initial.update({name: None for name in FROM_TASK if name not in self.instance.own_options})
            self.initial.update(shown_in(self.instance.task_options))
        use_zones(self, self.initial["timezone"], self.data.get("timezone"))

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        self._require_fresh(given.pop("opened", ""))
        self._require_decoded()
        self._keep_untouched_instants(given)
        self._keep_hidden_arguments(given)
        if len(given.get("exclude", "")) > LONGEST_EXCLUDE:
            self.add_error("exclude", _("These are too many dates."))
        if self.instance.pk is None:
            self._require_own_name(given.get("name", ""))
        if not self.errors:
            self._check(given)
        if not self.errors and given["run_at"] is not None and "run_at" in self.changed_data:
            self._settle_what_is_past(given)
        return given

    def columns(self) -> dict[str, Any]:
        """What an edit changes: all that is declared, but not who declared it."""
        columns = self.spec.columns()
        for name in ("name", "source", "declared_in"):
            del columns[name]
        start = self.spec.start and self.spec.start.at
        return columns | {"anchor": start, "runs_late": self.spec.runs_late, "revision": self.revision}

    def _require_fresh(self, opened: str) -> None:
        if self.instance.pk is not None and opened and (said := changed_since(self.instance, opened)):
            self.add_error(None, said)

    def _require_decoded(self) -> None:
        """What is not shown for want of a key would be lost."""
        if self.instance.pk is not None:
            try:
                opened(self.instance.arguments)
            except CannotDecode:
                said = _("Its arguments are encoded, and this process cannot decode them. Nothing was changed.")
                self.add_error(None, said)

    def _keep_untouched_instants(self, given: dict[str, Any]) -> None:
        """The widgets drop fractions of a second, and an interval without a first run counts from the one it had."""
        if self.instance.pk is None:
            return
        for name in INSTANTS:
            if name not in self.changed_data or (name == "anchor" and given.get(name) is None):
                given[name] = getattr(self.instance, name)

    def _first_run(self, given: dict[str, Any]) -> datetime | None:
        """None, where nobody touched it or its repeat: then it counts from where it did, by the clock of its zone."""
        is_touched = "anchor" in self.changed_data or (given["repeat"] and "repeat" in self.changed_data)
        first_run: datetime | None = given["anchor"] if is_touched else None
        return first_run

    def _keep_hidden_arguments(self, given: dict[str, Any]) -> None:
        """Secrets are not shown, so what stands in their place means what is stored, as long as the task is the same.

        Another task may call the same place by a name that hides nothing, or tell what it is given.
        """
        if self.instance.pk is None:
            return
        keeps = given.get("task") == self.instance.task
        for name, shown, stored in zip(ARGUMENTS, self.shown, self.stored, strict=True):
            try:
                given[name] = masking.as_entered(given.get(name), *((shown, stored) if keeps else (None, None)))
            except ValueError as fault:
                was_for = _("Hidden values were given for %(task)s. For another task, enter them again.")
                self.add_error(name, str(fault) if keeps else was_for % {"task": self.instance.task})

    def _require_own_name(self, name: str) -> None:
        """Not that of a call, taken or free: whether it is taken would tell if somebody guessed what the call hides."""
        if _CALL.search(name):
            self.add_error(
                "name", _("Put a blank before the bracket: only schedules that calls make have names such as task(…).")
            )
        elif owner := self._owner_of(name):
            said = _("A schedule of this name %(owned)s. Choose another name, or edit that schedule.")
            self.add_error("name", said % {"owned": owner.owned})

    def _check(self, given: dict[str, Any]) -> None:
        try:
            self.spec = self._spec(given)
        except (InvalidSchedule, InvalidArguments) as invalid:
            fault = invalid.__cause__ or invalid
            self.add_error(field_of(fault, given), sentence(fault))

    def _settle_what_is_past(self, given: dict[str, Any]) -> None:
        if given["run_at"] > database_now(options().DATABASE):
            return
        if given["if_past"]:
            self.spec = replace(self.spec, runs_late=given["if_past"] == "run")
        else:
            self.add_error("if_past", _("It is past. Choose: run at once, or record it as missed."))

    def _spec(self, given: dict[str, Any]) -> Spec:
        args, kwargs = from_json(given["args"], given["kwargs"])
        return spec_of(
            tasks.get(given["task"]),
            where=given["name"],
            name=given["name"],
            source=Source.ADMIN,
            args=args,
            kwargs=kwargs,
            options={name: given[name] for name in (*COLUMNS, *IN_TEXT) if given[name] not in ("", None)}
            | {"exclude": given["exclude"].split(), "first_run": self._first_run(given)},
        )

    def _tasks(self) -> list[tuple[str, str]]:
        return [("", "---------"), *sorted((task.name, task.name) for task in tasks.registered())]

    def _owner_of(self, name: str) -> Schedule | None:
        """The schedule that has this name. That of one that is retired may be used again."""
        return Schedule.objects.using(options().DATABASE).filter(identity=identity_of(name), retired_at=None).first()


class PauseForm(forms.Form):
    """Why nothing is to run, and until when."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=255,
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
        help_text=gettext_lazy("Shown wherever Carillon says why the schedule does not run."),
    )
    until = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=gettext_lazy("Leave it empty to pause until somebody resumes the schedule."),
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until.tzinfo is None:  # as Django gives it where USE_TZ is False
            until = make_aware(until)
        if until is not None and not self.now < until <= LATEST:
            raise forms.ValidationError(_("Give a time in the future, up to the year 9000."))
        return until


def _arguments_of(row: Schedule) -> tuple[list[Any], dict[str, Any]]:
    """None, where somebody else has written what cannot be read: whoever edits it gives new ones."""
    try:
        return stored_json(row.arguments)
    except InvalidArguments:
        return [], {}


def _pretty(value: Any) -> str:
    return pretty(value) if value else ""


_CALL = re.compile(r"\S\(")
