"""The test project, as many a real one is: without time zones, where the clock is changed."""

from tests.settings import *  # noqa: F403

USE_TZ = False
TIME_ZONE = "Europe/Riga"
