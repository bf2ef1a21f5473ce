"""How long the acceptance runs take, and how much they are given to do. One variable says it: a minute by default.

CARILLON_CHAOS_SECONDS=12 make chaos        a taste of it
"""

import os
from typing import Any

import pytest

SECONDS = float(os.environ.get("CARILLON_CHAOS_SECONDS", "60"))
CLIENTS = 4
CALLS = round(5_000 * SECONDS / 60) // CLIENTS
"""Calls that each client makes."""
KILLS = max(1, round(SECONDS / 12))
ATOMIC_KILLS = 30 if SECONDS >= 60 else 3
TINY_JOBS, LONG_JOBS = (20_000, 200) if SECONDS >= 60 else (2_000, 60)
SCHEDULES = 100
at_length = pytest.mark.skipif(SECONDS < 30, reason="too long for a taste")
ROUNDS = 20 if SECONDS >= 30 else KILLS
"""How often a figure is taken."""
DEADLY = ["SIGSEGV", "SIGKILL", "exit"][:KILLS]
"""Ways in which tasks end their process."""
SIGNS_OF_LIFE: dict[str, Any] = {} if SECONDS >= 60 else {"HEARTBEAT": 0.5, "RESCUE_AFTER": 2}
"""How often they are given, and missed: as by default, if there is time."""
LOCKS = [1.0, 5.0, 27.0, 60.0] if SECONDS >= 60 else []
"""Seconds."""

SOAK_SECONDS = float(os.environ.get("CARILLON_SOAK_SECONDS", "0"))
"""Of `make soak`; zero: it does not run."""
OLD_JOBS = 1_000_000 if SOAK_SECONDS >= 600 else 5_000
"""That are to be pruned in it, all at once."""
