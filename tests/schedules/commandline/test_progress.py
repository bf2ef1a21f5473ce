"""How far a job is, in words."""

from __future__ import annotations

import pytest

from schedules.commandline.look import Look
from schedules.commandline.terminal import Screen
from tests.schedules.recurrence.moments import at
from worker.current.progress import Progress


@pytest.mark.parametrize(
    ("done", "total", "note", "words"),
    [
        (40, 120, "order 4711", "40 of 120 · 33 % · order 4711"),
        (40, None, "", "40"),
        (0, 0, "", "0 of 0"),
        (29, 100, "", "29 of 100 · 29 %"),
        (199, 200, "", "199 of 200 · 99 %"),
        (121, 120, "", "121 of 120 · 100 %"),
        (1234567, 2000000, "", "1,234,567 of 2,000,000 · 61 %"),
        (0.1 + 0.2, 1, "", "0.3 of 1 · 30 %"),
        (int(1e300), None, "", "1e+300"),
        (1, None, "two\nlines \x1b[31m", "1 · two\\nlines \\x1b[31m"),
    ],
)
def test_progress_in_words(done: float, total: float | None, note: str, words: str) -> None:
    look = Look("UTC", converts=True, screen=Screen(glyphs=True))

    assert look.progress(Progress(done, total, note, at("10:00"), attempt=2), 2) == words
