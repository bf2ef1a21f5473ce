"""Those of the benchmarks without our apps and what rests on them: what Django's own start is measured with."""

from tests.benchmarks.settings import *  # noqa: F403
from tests.benchmarks.settings import INSTALLED_APPS

INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in ("schedules", "worker", "tests.app")]
