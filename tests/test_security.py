"""What no line of the product does: make code of texts, or markup of texts that others gave.

Imports are the business of `test_layers`, SQL made of texts that of the linter; what pages and commands show is tried
in `tests/schedules/test_hostile_rows_shown.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.of_files

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [path for app in ("schedules", "worker") for path in sorted((ROOT / app).rglob("*.py"))]
TEMPLATES = [path for app in ("schedules", "worker") for path in sorted((ROOT / app).rglob("*.html"))]
MAKES_CODE = {"eval", "exec", "compile", "__import__", "__builtins__", "globals"}
TRUSTS_MARKUP = {"mark_safe", "SafeText", "safe", "__html__", "autoescape", "html_safe"}
UNESCAPED = re.compile(r"\|\s*safe(seq)?\b|\bautoescape\s+off\b|<script\b|\son[a-z]+=|javascript:", re.IGNORECASE)


@pytest.mark.parametrize("forbidden", [MAKES_CODE, TRUSTS_MARKUP], ids=["makes code", "trusts markup"])
def test_no_module_names_what_is_not_to_be_used(forbidden: set[str]) -> None:
    found = [place for path in SOURCES for place in _named(path, path.read_text(encoding="utf-8"), forbidden)]

    assert SOURCES
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        *("eval('1')", "f = eval", "import builtins as b\nb.eval('1')", "getattr(x, 'a').exec(1)"),
        *(
            "from django.utils.safestring import mark_safe as m",
            "from django.utils import safestring as s\ns.mark_safe(1)",
        ),
    ],
)
def test_no_way_of_naming_it_escapes(source: str) -> None:
    assert list(_named(ROOT, source, MAKES_CODE | TRUSTS_MARKUP))


def test_no_template_shows_unescaped_text_or_holds_a_script() -> None:
    found = [
        f"{path}: {line}" for path in TEMPLATES for line in path.read_text().splitlines() if UNESCAPED.search(line)
    ]

    assert TEMPLATES
    assert not found


def _named(path: Path, source: str, forbidden: set[str]) -> Iterator[str]:
    """Each place that names one of these, called or not, imported under another name or not."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) if name in forbidden:
                if not _is_regular_expression(node):
                    yield f"{path}:{node.lineno} names {name}"


def _is_regular_expression(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "re.compile"
