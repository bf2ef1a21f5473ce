"""The page of the workers: which there are, and whether they are alive."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from worker import masking
from worker.admin import labels
from worker.admin.tables import ReadOnlyAdmin, read_at
from worker.models import WorkerProcess
from worker.options import options


@admin.register(WorkerProcess)
class WorkerProcessAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "living_slots", "kept", "drains", "sign_of_life", "started")
    fields = list_display
    search_fields = ("name",)
    sortable_by = ("name", "living_slots")

    @admin.display(description=gettext_lazy("status"))
    def state(self, worker: WorkerProcess) -> SafeString:
        silence = abs(read_at(worker) - worker.heartbeat_at)
        if silence <= timedelta(seconds=options().RESCUE_AFTER):
            return labels.status("alive", _("alive"))
        return labels.status("silent", _("silent: its jobs go to others"))

    @admin.display(description=gettext_lazy("slots"), ordering="slots")
    def living_slots(self, worker: WorkerProcess) -> str:
        if worker.slots_alive not in (None, worker.slots):
            return _("only %(alive)s of %(slots)s") % {"alive": worker.slots_alive, "slots": worker.slots}
        return str(worker.slots)

    @admin.display(description=gettext_lazy("unrecorded"))
    def kept(self, worker: WorkerProcess) -> str:
        """Jobs that have ended, which the database refuses to record."""
        return f"{worker.unrecorded}: {masking.line(worker.trouble)}" if worker.unrecorded else ""

    @admin.display(description=gettext_lazy("queues"))
    def drains(self, worker: WorkerProcess) -> str:
        return ", ".join(worker.queue_names) or _("all")

    @admin.display(description=gettext_lazy("last sign of life"))
    def sign_of_life(self, worker: WorkerProcess) -> SafeString | str:
        return labels.ago(worker.heartbeat_at, read_at(worker))

    @admin.display(description=gettext_lazy("started"))
    def started(self, worker: WorkerProcess) -> SafeString | str:
        return labels.ago(worker.started_at, read_at(worker))
