"""Schedules that are declared under another name than before: those that say so, and those that only look like it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from schedules.models import Schedule, identity_of
from schedules.spec import Spec


def renamed(using: str, missing: Sequence[Spec], declared: Collection[str]) -> Mapping[str, Schedule]:
    """By the identity of a spec that has no row of its name: the row that is its own under another.

    Either the spec says that it was renamed from that one; or the row was renamed from it, by another release than the
    one that declares it so. `declared`: the identities of all that is declared, whose rows are not to be had.
    """
    if not missing:
        return {}
    rows = Schedule.objects.using(using).declared()
    former = [identity_of(name) for spec in missing for name in spec.renamed_from]
    by_name = {row.identity: row for row in rows.filter(identity__in=former)}
    once = {identity_of(name): row for row in rows.exclude(formerly="") for name in row.former_names}
    found: dict[str, Schedule] = {}
    for spec in missing:
        for identity in (*map(identity_of, spec.renamed_from), spec.identity):
            row = by_name.get(identity) or once.get(identity)
            if row is not None and row.identity not in declared and row not in found.values():
                found[spec.identity] = row
                break
    return found


def lookalikes(using: str, missing: Sequence[Spec], declared: Collection[str]) -> Iterator[tuple[Spec, str]]:
    """What is new, with the name of a schedule that is declared no more and did the same with the same arguments."""
    if not missing:
        return
    rows = Schedule.objects.using(using).declared().filter(retired_at=None, task__in={spec.task for spec in missing})
    gone = {
        (task, arguments): name
        for identity, task, arguments, name in rows.values_list("identity", "task", "arguments", "name")
        if identity not in declared
    }
    for spec in missing:
        if not spec.renamed_from and (spec.task, spec.arguments) in gone:
            yield spec, gone[spec.task, spec.arguments]
