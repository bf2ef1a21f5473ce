"""Did you mean …? The known name that is nearest to a given one. The caller gives the names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from worker.messages.echo import printable, quoted
from worker.messages.elsewhere import ours_for

NEAR = 0.7
"""How much of two names has to be the same. "retry" and "creator" are less alike."""
LONGEST = 255
"""A longer text is near to no name, and would take long to compare."""


def nearest(name: object, known: Iterable[str], *, caseless: bool = False) -> str | None:
    """The nearest of the known names. None: none is near. `caseless`: an E is as near to an e as to another E."""
    if not isinstance(name, str) or len(name) > LONGEST:
        return None
    as_compared = str.lower if caseless else str
    compared = {as_compared(each): each for each in known}
    near = get_close_matches(as_compared(name), compared, n=1, cutoff=NEAR) or _begun_by(as_compared(name), compared)
    return compared[near[0]] if near else None


def _begun_by(name: str, known: Iterable[str]) -> list[str]:
    return [each for each in known if name and each.startswith(name)][:1]


def did_you_mean(
    name: object, known: Iterable[str], *, otherwise: str = "", prefix: str = "", caseless: bool = False
) -> str:
    """The question that ends a message, with `prefix` before the name; or what to say where none is near."""
    near = nearest(name, known, caseless=caseless)
    return otherwise if near is None else f'Did you mean "{prefix}{printable(near)}"?'


def is_no_option(what: str, name: object, known: Collection[str]) -> str:
    """The sentence for a name that is not among the known ones. `what` shows it, and where it was given."""
    every = f"Known: {', '.join(known)}."
    return f"{what} is not an option. {ours_for(name, known) or did_you_mean(name, known, otherwise=every)}"


def unknown_options(given: Iterable[object], known: Collection[str], where: str) -> Iterator[str]:
    """A sentence for each of the given names that is not among the known ones."""
    return (is_no_option(f"{where}: {quoted(name)}", name, known) for name in given if name not in known)
