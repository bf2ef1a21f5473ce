"""A registry: names, and the objects that this process knows by them. Tests can isolate all registries.

Names that are declared while registries are isolated are forgotten afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """One of the process: all threads see the same. To look something up is to look into a dictionary."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        _ALL.append(self)

    def put(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def entries(self) -> Collection[Entry]:
        return self._entries.values()

    @contextmanager
    def _isolated(self, *, empty: bool) -> Iterator[None]:
        before, self._entries = self._entries, {} if empty else dict(self._entries)
        try:
            yield
        finally:
            self._entries = before


@contextmanager
def isolated(*, empty: bool = False) -> Iterator[None]:
    """Forget afterwards what is declared meanwhile. `empty`: know nothing meanwhile of what was declared before."""
    with ExitStack() as stack:
        for registry in _ALL:
            stack.enter_context(registry._isolated(empty=empty))
        yield


_ALL: list[Registry[Any]] = []
