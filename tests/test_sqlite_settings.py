"""What we tell people to set for SQLite is the same everywhere, and a commit outlasts a power cut with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOLD_IN = [
    "README.md",
    "docs/tutorial.md",
    "docs/reference/checks.md",
    "manage_example/example/settings.py",
    "schedules/doctor/sqlite.py",
    "worker/checks.py",
]

QUESTIONS = {f"PRAGMA {name}" for name in ("journal_mode", "synchronous", "busy_timeout", "page_count", "page_size")}
"""What the doctor asks, which sets nothing."""


@pytest.mark.parametrize("file", TOLD_IN)
def test_everything_that_names_the_settings_of_sqlite_names_the_same(file: str) -> None:
    text = (ROOT / file).read_text()

    assert set(re.findall(r"""["'](PRAGMA [^"'\n]*)["']""", text)) - QUESTIONS == {"PRAGMA journal_mode = WAL"}
