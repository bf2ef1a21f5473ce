"""Contenders side by side: each does the same work in turn, so that a noisy machine is noisy for all of them.

Decides how figures are gathered and shown. What the work is, and that all of it was done, is the benchmark's
business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Figures = Mapping[str, float]
"""What one run measured, by unit: {"jobs/s": 18200.0, "worker µs/job": 24.0}."""


@dataclass(frozen=True)
class Contender:
    name: str
    run: Callable[[], Figures]
    """Does the work once, sees that it was done, and says what it took."""


def side_by_side(title: str, contenders: Sequence[Contender], runs: int) -> None:
    """Print the median of each figure, from the least to the most, and the first contender's beside each other's."""
    figures: dict[str, list[Figures]] = {each.name: [] for each in contenders}
    for _ in range(runs):
        for each in contenders:
            figures[each.name].append(each.run())
    ours = contenders[0].name
    print(f"\n{title} (medians of {runs})")
    for name, measured in figures.items():
        print(f"  {name}", flush=True)
        for unit in measured[0]:
            values = [each[unit] for each in measured]
            line = f"    {_short(median(values)):>9} {unit:<16} {_short(min(values))}–{_short(max(values))}"
            if name != ours and unit in figures[ours][0]:
                our_median = median(each[unit] for each in figures[ours])
                line = f"{line:<48} {ours}: {our_median / median(values):.2f} ×"
            print(line, flush=True)


def percentiles(seconds: Sequence[float]) -> Figures:
    """Of samples in seconds: p50, p95 and p99, in milliseconds."""
    ordered = sorted(seconds)
    return {
        f"p{percent} ms": 1e3 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
        for percent in (50, 95, 99)
    }


def _short(figure: float) -> str:
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"
