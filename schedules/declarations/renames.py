"""Renamed schedules: those with `renamed_from`, and those that look renamed and do not say so.

Each step of a function does a portion.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias, TypeVar

from django.db.models import QuerySet

from schedules import changes
from schedules.models import Schedule, identity_of
from schedules.spec import Spec
from worker.arguments.sealed import CannotDecode, opened
from worker.dialects.portions import portions
from worker.options import options

ASKED_AT_ONCE = 500

Found = TypeVar("Found")
Search: TypeAlias = Generator[None, None, Found]


def identities_among(rows: QuerySet[Schedule], identities: Sequence[str]) -> Search[set[str]]:
    """Those of the identities that these rows have."""
    found = set[str]()
    for some in portions(identities, ASKED_AT_ONCE):
        found.update(rows.filter(identity__in=some).values_list("identity", flat=True))
        yield
    return found


def renamed(using: str, missing: Sequence[Spec], declared: Collection[str]) -> Search[Mapping[str, str]]:
    """By the identity of a spec that has no row of its name: that under which a row of its own stands.

    Either the spec says that it was renamed from that one; or the row was renamed from it, by another release than the
    one that declares it so. `declared`: the identities of all that is declared, whose rows are not to be had.
    """
    found: dict[str, str] = {}
    if not missing:
        return found
    rows = Schedule.objects.using(using).declared()
    by_name = yield from identities_among(rows, [identity_of(name) for spec in missing for name in spec.renamed_from])
    once: dict[str, str] = {}
    for some in changes.some_by_some(rows.exclude(formerly="").only("identity", "formerly")):
        once |= {identity_of(name): row.identity for row in some for name in row.former_names}
        yield
    taken = set(declared)
    for spec in missing:
        for identity in (*map(identity_of, spec.renamed_from), spec.identity):
            stands_as = identity if identity in by_name else once.get(identity)
            if stands_as is not None and stands_as not in taken:
                found[spec.identity] = stands_as
                taken.add(stands_as)
                break
    return found


def lookalikes(using: str, missing: Sequence[Spec], declared: Collection[str]) -> Iterator[list[tuple[Spec, str]]]:
    """What is new, with the name of a schedule that is declared no more and did the same with the same arguments."""
    rows = Schedule.objects.using(using).declared().filter(retired_at=None)
    for some in portions([spec for spec in missing if not spec.renamed_from], ASKED_AT_ONCE):
        alike = rows.filter(task__in={spec.task for spec in some})
        if options().CODEC is None:
            alike = alike.filter(arguments__in={spec.arguments for spec in some})
        gone = {
            (task, _opened(arguments)): name
            for identity, task, arguments, name in alike.values_list("identity", "task", "arguments", "name")
            if identity not in declared
        }
        yield [(spec, gone[spec.task, spec.arguments]) for spec in some if (spec.task, spec.arguments) in gone]


def _opened(arguments: str) -> str:
    with suppress(CannotDecode):
        return opened(arguments)
    return arguments
