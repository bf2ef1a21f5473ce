"""Settings of the processes that are started here: those of the tests, with what the environment declares."""

import ctypes
import json
import os
import sys
from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos"]

SCHEDULES: dict[str, Any] = json.loads(os.environ.get("CARILLON_CHAOS_SCHEDULES", "{}"))
SCHEDULER: dict[str, Any] = json.loads(os.environ.get("CARILLON_CHAOS_SCHEDULER", "{}"))


def _renounce_privileges() -> None:
    """Be bound by the permissions of files, as root too: https://man7.org/linux/man-pages/man2/capget.2.html"""
    version_3, this_thread = 0x20080522, 0
    ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(version_3, this_thread), (ctypes.c_uint32 * 6)())


if sys.platform == "linux":
    _renounce_privileges()
