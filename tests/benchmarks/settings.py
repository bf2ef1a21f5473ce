"""Settings of the benchmarks and of the processes that they start: those of the tests, with tasks of their own."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks"]
