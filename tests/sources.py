"""The product as the files that it is made of: which modules there are, and which names each of them uses.

It reads and imports nothing; what may be named where, its callers decide.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = ("schedules", "worker")


@cache
def modules(*tops: str) -> dict[str, Path]:
    """Every module below these folders by its dotted name."""
    paths = (path for top in tops for path in sorted((ROOT / top).rglob("*.py")))
    return {module_name(path): path for path in paths}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The full name of everything that is imported, and of every attribute reached through an import, by lines."""
    known = dict(bound_in(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=imported):
                yield from ((node.lineno, each.name) for each in imported)
            case ast.ImportFrom(module=str(module), names=imported):
                yield node.lineno, module
                yield from ((node.lineno, f"{module}.{each.name}") for each in imported)
            case ast.Attribute() if name := full_name(node, known):
                yield node.lineno, name


def bound_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The local names that imports make, and what they stand for. `import a.b` makes the name a."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=imported):
                for each in imported:
                    top = each.name.partition(".")[0]
                    yield (each.asname, each.name) if each.asname else (top, top)
            case ast.ImportFrom(module=str(module), names=imported):
                yield from ((each.asname or each.name, f"{module}.{each.name}") for each in imported)


def full_name(node: ast.expr, known: dict[str, str]) -> str | None:
    """Of a name whose beginning is known, or of an attribute of one; None for anything else."""
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(value=value, attr=attribute):
            owner = full_name(value, known)
            return owner and f"{owner}.{attribute}"
        case _:
            return None
