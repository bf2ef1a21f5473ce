"""A page of the documentation as links, code spans, sections and tables. Knows nothing of what is documented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

CHECK_ID = re.compile(r"\b(?:schedules|worker)\.[EWI]\d{3}\b")

_NAME = re.compile(r"(?<![\w./-])(?:schedules|worker)(?:\.\w+)+")
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_TABLE = re.compile(r"(?:^\|.*\|$\n?)+", re.MULTILINE)

Table = dict[str, list[str]]
"""The rows by their first cells, without backticks; each holds the other cells."""


@dataclass(frozen=True)
class Page:
    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """All but the blocks of code."""
        return _CODE_BLOCK.sub("", self.text)

    @property
    def links(self) -> list[str]:
        """The targets of links to other places of this project."""
        return [target for target in _LINK.findall(self.prose) if "://" not in target]

    @property
    def headings(self) -> list[str]:
        return [title for _, title in _HEADING.findall(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """As the usual renderers make them: lower case, blanks to hyphens, other signs dropped."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in self.headings}

    def section(self, title: str) -> str:
        """What stands under that heading, up to the next of its rank or above, but for blocks of code."""
        return self._under(title, self.prose)

    def code(self, *titles: str) -> str:
        """The block of code that stands under these headings, each within the one before."""
        text = self.text
        for title in titles:
            text = self._under(title, text)
        (block,) = _CODE_BLOCK.findall(text)
        return "\n".join(block.splitlines()[1:-1])

    def table(self, head: str, within: str | None = None) -> Table:
        """The rows of all tables whose first column has that head; `within` a section, or on the whole page."""
        rows: Table = {}
        for first, table in _tables(self.section(within) if within else self.prose):
            rows |= table if first == head else {}
        if not rows:
            raise LookupError(f'{self} has no table of "{head}"')
        return rows

    def _under(self, title: str, text: str) -> str:
        for match in _HEADING.finditer(text):
            if match[2] == title:
                rest = text[match.end() :]
                end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
                return rest[: end.start()] if end else rest
        raise LookupError(f'{self} has no heading "{title}"')


def page(path: str) -> Page:
    """A page by its place below docs/."""
    return Page(DOCS / path)


def pages() -> list[Page]:
    return [Page(path) for path in (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))]


def code_in(text: str) -> list[str]:
    """What stands in backticks."""
    return _CODE.findall(text)


def names_in(text: str) -> list[str]:
    """The dotted names of ours, be it in prose or in code, but for the ids of checks."""
    return [name for name in _NAME.findall(text) if not CHECK_ID.fullmatch(name)]


def literal(cell: str) -> object:
    """The value that a cell shows in backticks."""
    text = cell.strip("`")
    if days := re.fullmatch(r"timedelta\(days=(\d+)\)", text):
        return timedelta(days=int(days[1]))
    return ast.literal_eval(text)


def _tables(text: str) -> Iterator[tuple[str, Table]]:
    for block in _TABLE.findall(text):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        yield head[0], {row[0].strip("`"): row[1:] for row in rows}
