"""Samples into tables in Markdown: medians with their spread, and how ours stands beside each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from tests.benchmarks.measure import percentiles
from tests.benchmarks.peers.contenders import CONTENDERS, Contender, ours_beside
from tests.benchmarks.peers.environments import version_of
from tests.benchmarks.peers.measures import Measure, Samples

Results = Mapping[str, Samples]
"""By the names of contenders."""

_STORES = {"postgresql": "PostgreSQL", "redis": "Redis", "sqlite": "SQLite"}


def table(measure: Measure, results: Results, runs: int) -> Iterator[str]:
    """The lines of one measure's table; nothing where nothing was measured."""
    measured = [each for each in CONTENDERS if results.get(each.name)]
    if not measured:
        return
    unit = next(iter(results[measured[0].name]))
    figures = ["p50 ms", "p95 ms", "p99 ms"] if measure.percentiles else [f"{unit}, median of {runs}", "least–most"]
    others = [each for each in results[measured[0].name] if each != unit]
    header = ["", "on", *figures, *others, "Carillon beside it"]
    yield f"**{measure.title}**"
    yield ""
    yield _row(header)
    yield "|---|---" + "|--:" * (len(header) - 2) + "|"
    for each in measured:
        samples = results[each.name]
        ours = results.get(ours_beside(each))
        ratio = "" if each.is_ours or not ours else _ratio(measure, ours[unit], samples[unit])
        further = [_short(median(samples[other])) for other in others]
        yield _row([*_who(each), *_figures(measure, samples[unit]), *further, ratio])
    yield ""


def summary(measured: Mapping[Measure, Results]) -> Iterator[str]:
    """All of it once more: a table for each group, with a line for each contender and a column for each measure."""
    for group in dict.fromkeys(each.group for each in measured):
        measures = [each for each in measured if each.group == group]
        yield f"**{group}**"
        yield ""
        yield _row(["", "on", *(each.heading for each in measures)])
        yield "|---|---" + "|--:" * len(measures) + "|"
        for contender in CONTENDERS:
            cells = [_cell(each, measured[each].get(contender.name)) for each in measures]
            if any(cells):
                yield _row([*_who(contender), *cells])
        yield ""


def caveats(names: Iterable[str]) -> Iterator[str]:
    return (f"{each.name}: {each.caveat}." for each in CONTENDERS if each.name in names and each.caveat)


def _who(contender: Contender) -> list[str]:
    name = "Carillon" if contender.is_ours else f"{contender.name} {version_of(contender.environment)}"
    return [name, _STORES[contender.stores[0]]]


def _figures(measure: Measure, samples: list[float]) -> list[str]:
    if measure.percentiles:
        return [_short(each) for each in percentiles([each / 1e3 for each in samples]).values()]
    return [_short(median(samples)), f"{_short(min(samples))}–{_short(max(samples))}"]


def _cell(measure: Measure, samples: Samples | None) -> str:
    if not samples:
        return ""
    figure, *spread = _figures(measure, next(iter(samples.values())))
    if measure.percentiles:
        return " / ".join([figure, *spread])
    return f"{figure} ({spread[0]})" if spread[0] != f"{figure}–{figure}" else figure


def _ratio(measure: Measure, ours: list[float], theirs: list[float]) -> str:
    """How many times as fast ours is."""
    ratio = median(theirs) / median(ours) if measure.smaller_is_better else median(ours) / median(theirs)
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:,.0f} ×"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _short(figure: float) -> str:
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}"
