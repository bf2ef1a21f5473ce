"""Why this process does not know a task. It imports nothing to find out: a row may name anything."""

from __future__ import annotations

import sys

from django.apps import apps
from django.utils.translation import gettext as _


def why_unknown(task: str) -> str:
    """A sentence about the name of a task that is not declared in this process."""
    module = task.rpartition(".")[0]
    if not module:
        return _("No module that this process has imported declares a task of that name.")
    if module in sys.modules:
        return _("Its module %(module)s declares no such task.") % {"module": module}
    if apps.get_containing_app_config(module) is None:
        return _("No app in INSTALLED_APPS contains %(module)s.") % {"module": module}
    return _("Nothing imports %(module)s: put the task into tasks.py, or import it in ready().") % {"module": module}
