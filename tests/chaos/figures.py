"""Figures of the acceptance runs, for people: they stand at the end of the report."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

told: list[str] = []


def tell(what: str, seconds: Sequence[float]) -> None:
    median, worst = statistics.median(seconds), max(seconds)
    told.append(f"{what}: median {median:.2f} s, worst {worst:.2f} s of {len(seconds)}")
