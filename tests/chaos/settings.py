"""Settings of the processes that are started here: those of the tests, with what the environment declares."""

import json
import os
from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos"]

SCHEDULES: dict[str, Any] = json.loads(os.environ.get("CARILLON_CHAOS_SCHEDULES", "{}"))
SCHEDULER: dict[str, Any] = json.loads(os.environ.get("CARILLON_CHAOS_SCHEDULER", "{}"))
