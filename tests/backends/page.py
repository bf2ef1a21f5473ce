"""What was found, as a part of `docs/reference/conformance.md`: facts, and nothing of what they mean."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping, Sequence

from tests.backends.contenders import CONTENDERS
from tests.backends.environments import version_of
from tests.backends.judge import Found, Judgement
from tests.servers import ROOT

PAGE = ROOT / "docs" / "reference" / "conformance.md"
ENDS = ("passed", "failed", "skipped")
_MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}
_HERE = re.compile(r"(<!-- found -->\n).*(<!-- end of what was found -->)", re.DOTALL)

Judged = Mapping[str, Mapping[str, Judgement]]
"""By the name of a contender, and by the kind of a database, the chief one first."""


def write(judged: Judged, versions: Sequence[str]) -> None:
    text = "\n".join(_lines(judged, versions))
    PAGE.write_text(_HERE.sub(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", PAGE.read_text()))


def _lines(judged: Judged, versions: Sequence[str]) -> Iterator[str]:
    import django

    peers = [f"{name} {version_of(CONTENDERS[name].environment)}" for name in judged if CONTENDERS[name].environment]
    with_workers = (f"`{' '.join(CONTENDERS[name].worker)}`" for name in judged if CONTENDERS[name].worker)
    yield f"Judged: this version of Carillon, Django {django.__version__} and its two backends, {', '.join(peers)}."
    yield f"On Python {platform.python_version()}, with {' and '.join(versions)}."
    yield f"Drained by: {', '.join(with_workers)}."
    yield "Both backends of Django run nothing later: one runs a Task at once, the other never."
    yield ""
    yield from _counts(judged)
    yield ""
    yield "### Promises that one of them does not keep"
    yield ""
    yield "On PostgreSQL, and behind a stroke on SQLite where that differs. A promise with † is beyond the contract."
    yield ""
    yield from _differences(judged)
    yield ""
    yield "### What was found there"
    yield ""
    yield from _reasons(judged)
    yield ""
    yield "### Promises that all keep"
    yield ""
    yield "Each of them, or each that has what the promise is about:"
    yield ""
    yield from _kept_by_all(judged)


def _counts(judged: Judged) -> Iterator[str]:
    yield from _head("On PostgreSQL: ✓ kept, ✗ not kept, – not asked", judged)
    groups = dict.fromkeys(found.group for found in _all(judged))
    for group in [*groups, None]:
        cells = []
        for of_databases in judged.values():
            chief = next(iter(of_databases.values()))
            ends = [found.outcome for found in chief.found if group in (None, found.group)]
            cells.append(" ".join(f"{ends.count(end)} {_MARKS[end]}" for end in ENDS if ends.count(end)))
        yield _row(group or "**All**", cells)


def _differences(judged: Judged) -> Iterator[str]:
    yield from _head("Promise", judged)
    for found in _all(judged):
        if "failed" in _ends(judged, found.name):
            mark = " †" if found.beyond else ""
            yield _row(f"{_shown(found)}{mark}", [_cell(each, found.name) for each in judged.values()])


def _reasons(judged: Judged) -> Iterator[str]:
    for name, of_databases in judged.items():
        seen = dict.fromkeys(
            f"  - {_shown(found)}: {_code(found.why)}"
            for judgement in of_databases.values()
            for found in judgement.of("failed")
        )
        yield f"- **{name}**" + ("" if seen else ": nothing.")
        yield from seen


def _kept_by_all(judged: Judged) -> Iterator[str]:
    by_group: dict[str, list[str]] = {}
    for found in _all(judged):
        if "failed" not in _ends(judged, found.name):
            promises = by_group.setdefault(found.group, [])
            plain = found.promise.partition("[")[0]
            if plain not in promises:
                promises.append(plain)
    for group, promises in by_group.items():
        yield f"- **{group}**: {'; '.join(promises)}."


def _all(judged: Judged) -> list[Found]:
    first = next(iter(next(iter(judged.values())).values()))
    return list(first.found)


def _ends(judged: Judged, name: str) -> set[str]:
    return {
        found.outcome
        for of_databases in judged.values()
        for judgement in of_databases.values()
        for found in judgement.found
        if found.name == name
    }


def _cell(of_databases: Mapping[str, Judgement], name: str) -> str:
    ends = [
        _MARKS[next((found.outcome for found in judgement.found if found.name == name), "skipped")]
        for judgement in of_databases.values()
    ]
    return " / ".join(dict.fromkeys(ends))


def _head(first: str, judged: Judged) -> Iterator[str]:
    yield _row(first, list(judged))
    yield _row("---", ["---"] * len(judged))


def _row(first: str, cells: Sequence[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def _shown(found: Found) -> str:
    promise, _, case = found.promise.partition("[")
    return f"{found.group}: {promise}" + (f" ({_code(case.removesuffix(']'))})" if case else "")


def _code(text: str) -> str:
    """On one line of a table."""
    text = text.replace("worker.conformance.", "")  # what stands behind a door is named on no page
    short = text if len(text) < 120 else f"{text[:117]}…"
    return "`" + short.replace("`", "'").replace("|", "¦") + "`"
