"""The Django app of the clock. Subclass `SchedulesConfig` with another `label` where "schedules" is taken."""

import sys

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import autodiscover_modules

from worker.process import first_start

if first_start.is_reloading(sys.argv):
    first_start.outlive_errors()


class SchedulesConfig(AppConfig):
    name = "schedules"
    default = True
    verbose_name = "Schedules"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Where no check can run yet: the models of the clock rest on those of the queue."""
        if not apps.is_installed("worker"):
            raise ImproperlyConfigured('"schedules" keeps its jobs in the app "worker": add it to INSTALLED_APPS.')
        super().import_models()

    def ready(self) -> None:
        """Import each app's `tasks.py`: an error inside one is shown. The tasks that settings name are registered too.

        Schedules in settings are not read here: the checks and the leader do it, and a web process has no need of them.

        The ledger is written in the transaction that records a job as missed. Tasks ask it what their job stands for,
        and what history forgets of successes is remembered.
        With wrong options nothing can be declared: it is left, so that the check can say what is wrong with them.
        """
        from schedules import checks  # noqa: F401  checks register themselves
        from schedules.declarations import configured
        from schedules.occurrences import ledger, spans
        from worker import options, queue
        from worker.current import runs
        from worker.outcomes import Missed

        runs.planners.append(runs.Planner(spans.covers, spans.previous_success))
        queue.before_pruning.append(spans.remember_successes)
        queue.in_the_recording_transaction.append(queue.Hook(Missed, ledger.record_missed))
        if not any(options.problems()):
            autodiscover_modules("tasks")
            configured.register_tasks()
