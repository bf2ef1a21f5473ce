"""Signposts lead somewhere: what docstrings, comments and explanations name in backticks is where they say it is.

In a file of Python, what stands in backticks is held to be

- a **file**, if it ends as one or in a slash: it is there, seen from the root or from beside the file (a path from the
  root is held without backticks, too);
- a **dotted name**: from the file's own package up, and from either app down, it leads to a module, and what follows
  that is named in it; or its beginning is named in the file itself, or is a class, and the rest is named somewhere;
- a **word**: it is named in the file itself, or is a module in the file's own package or further up, or a room. A word
  that only other files know is let be, unless it is the name of a module: then its place is missing, or it has moved.

Anything else in backticks (a statement, a call with arguments, an expression) is no signpost. An explanation or a
decision names a module by its path, since it stands beside none. Other pages are held by `tests/test_docs.py`.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from io import StringIO
from keyword import iskeyword
from pathlib import Path

import pytest

from tests.documents import DOCS, ROOT, Page, code_in, pages
from tests.sources import APPS, modules, tree_of

pytestmark = pytest.mark.of_files

TOPS = ("schedules", "worker", "tests", "manage_example")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*(?:\(\))?")
FILE = re.compile(r"(?:[\w.-]+/)*[\w.-]*(?:/|\.(?:py|md|css|html))")
PATH = re.compile(r"(?<![\w/.-])(?:schedules|worker|tests|docs|manage_example)/(?:[\w-]+/)*[\w-]+\.\w+")
"""A file that is named by its place, in backticks or not."""
OF_USERS = {"tasks.py", "settings.py", "manage.py"}
OF_OTHERS = {"read_timeout", "save()", "Now()", "__repr__", "limit_choices_to", "transaction.on_commit"}
"""Names of Python, of Django and of a driver."""


def _modules() -> dict[str, Path]:
    return modules(*TOPS)


@pytest.mark.parametrize("module", _modules())
def test_what_a_docstring_or_a_comment_names_is_there(module: str) -> None:
    named = ((line, span) for line, text in _prose_of(module) for span in (*code_in(text), *PATH.findall(text)))
    lost = [f"{line}: `{span}`" for line, span in named if _is_lost(span, module)]
    assert not lost, f"{_modules()[module].relative_to(ROOT)} names what is not there: {', '.join(lost)}"


EXPLANATIONS = [page for page in pages() if page.path.is_relative_to(DOCS / "explanation")]
DECISIONS = [page for page in pages() if page.path.is_relative_to(DOCS / "adr")]


@pytest.mark.parametrize("page", [*EXPLANATIONS, *DECISIONS], ids=str)
def test_an_explanation_names_a_module_by_its_path(page: Page) -> None:
    others = [each for each in pages() if each not in (*EXPLANATIONS, *DECISIONS)]
    of_users = {span.removeprefix("@") for each in others for span in code_in(each.prose)}
    names = {path.name for module, path in _modules().items() if module.startswith(APPS)} | _last_names(*APPS)

    assert [span for span in code_in(page.prose) if span in names - of_users] == []


@pytest.mark.parametrize(
    ("module", "span"),
    [
        ("schedules.scheduler", "policies"),  # a module of another room
        ("schedules.scheduler", "schedules.materialize"),
        ("schedules.scheduler", "occurrences.strewn"),
        ("schedules.changes.row", "rows.py"),
        ("schedules.changes.row", "schedules/row.py"),
        ("worker.queue", "worker/rows.py"),
        ("worker.process.pace", "outboxes"),  # nobody's word any more
    ],
)
def test_a_stale_signpost_is_found(module: str, span: str) -> None:
    assert _is_lost(span, module)


def _is_lost(span: str, module: str) -> bool:
    if span in OF_USERS | OF_OTHERS or iskeyword(span):
        return False
    if FILE.fullmatch(span):
        return not any((folder / span).exists() for folder in (ROOT, _modules()[module].parent))
    if not NAME.fullmatch(span):
        return False
    name, tops = span.removesuffix("()"), {*APPS, module.partition(".")[0]}
    first, *rest = name.split(".")
    if _leads_to_a_module(name, module):
        return False
    if first not in TOPS and (first in _named_in(module) or first[0].isupper()):
        return not all(_is_known(part, tops) for part in (first, *rest))
    return bool(rest) or name in _last_names(*TOPS) or not _is_known(name, tops)


def _leads_to_a_module(name: str, module: str) -> bool:
    parts = name.split(".")
    return any(
        set(parts[length:]) <= _named_in(found)
        for package in _where_to_begin(module)
        for length in range(len(parts), 0, -1)
        if (found := ".".join([package, *parts[:length]]).removeprefix(".")) in _modules()
    )


def _is_known(name: str, tops: set[str]) -> bool:
    return any(name in _named_in(module) for module in _modules() if module.partition(".")[0] in tops)


def _where_to_begin(module: str) -> Iterator[str]:
    """The package of the module, those around it, the apps, what commands are called by, and the root."""
    package = module if _modules()[module].name == "__init__.py" else module.rpartition(".")[0]
    while package:
        yield package
        package = package.rpartition(".")[0]
    yield from (*APPS, "schedules.management.commands", "")


@cache
def _prose_of(module: str) -> tuple[tuple[int, str], ...]:
    """Docstrings, of attributes too, and comments, with their lines."""
    tokens = tokenize.generate_tokens(StringIO(_modules()[module].read_text(encoding="utf-8")).readline)
    comments = ((each.start[0], each.string) for each in tokens if each.type == tokenize.COMMENT)
    return (*((node.lineno, str(node.value)) for node in _docstrings(module)), *comments)


@cache
def _docstrings(module: str) -> list[ast.Constant]:
    found = (node.value for node in ast.walk(tree_of(_modules()[module])) if isinstance(node, ast.Expr))
    return [value for value in found if isinstance(value, ast.Constant) and isinstance(value.value, str)]


@cache
def _named_in(module: str) -> frozenset[str]:
    """Every name in the code of a module, and every word of its short texts: options, columns, states."""
    docstrings = set(map(id, _docstrings(module)))
    code = (node for node in ast.walk(tree_of(_modules()[module])) if id(node) not in docstrings)
    return frozenset(word for node in code for text in _texts(node) for word in re.findall(r"\w+", text))


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
        yield node.value
    for field in ("id", "attr", "name", "asname", "arg", "module"):
        if isinstance(text := getattr(node, field, None), str):
            yield text


@cache
def _last_names(*tops: str) -> frozenset[str]:
    return frozenset(module.rpartition(".")[2] for module in _modules() if module.startswith(tops))
