"""Delete rows of our tables without model signals.

A receiver that is connected to all models would be called for each of a million pruned jobs. It could stop the worker
by raising, or enqueue another job for each.

Old rows are deleted a portion at a time, because deleting a million rows at once delays everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connections, models, transaction

from worker.dialects import dialect_of
from worker.instants import LenientQuerySet, is_real
from worker.refusals import Refused, by_halves, told

PORTION = 500
"""Rows that are deleted together, in some 10 ms."""
MOST_KEPT = 100
"""Rows that are passed over. Where there are more, it is not about single rows."""
BeforeErasing = Callable[[Collection[int], str], None]
_OURS = ("schedules", "worker")


def erase(model: type[models.Model], keys: Collection[int], using: str) -> int:
    """Delete the rows with these keys, in the caller's transaction if there is one. Returns how many there were.

    Where models of the project refer to such rows, Django does it, as their `on_delete` says, and sends its signals.
    """
    if _others_refer_to(model):
        _, by_model = models.QuerySet(model, using=using).filter(pk__in=keys).delete()
        return by_model.get(model._meta.label, 0)
    connection = connections[using]
    return dialect_of(connection).many.remove(connection, model, list(keys))


def prune(
    model: type[models.Model],
    column: str,
    before: datetime,
    using: str,
    *,
    with_them: Sequence[type[models.Model]] = (),
    first: Sequence[BeforeErasing] = (),
) -> Iterator[int]:
    """Delete what is older by that column, the oldest first. Each step deletes a portion, and gives how many that were.

    with_them: tables whose rows have the keys of such rows, and go with them. first: what is done before that with the
    keys of each portion. It may be done twice.

    It goes on where it was: what is deleted stays in the index for a while, and whoever began at its beginning would
    walk past all of that again. A row that the database keeps, since another table refers to it or a trigger refuses
    it, stays, and holds up no other. In the end that is raised.
    """
    kept: Refused = {}
    do = eraser(model, using, with_them=with_them, first=first)
    rows: LenientQuerySet[Any] = (
        LenientQuerySet(model, using=using).filter(**{f"{column}__lt": before}).order_by(column)
    )
    old = left = rows.values_list("pk", column)
    while found := list(left.exclude(pk__in=kept)[:PORTION]):
        pruned = 0
        for some in by_halves([key for key, _ in found], do, using, kept, MOST_KEPT):
            pruned += some
            yield some
        if len(found) < PORTION or not pruned or len(kept) > MOST_KEPT:
            break
        _, last = found[-1]
        left = old.filter(**{f"{column}__gte": last}) if is_real(last) else old
    if kept:
        raise told(model.__name__, kept)


def eraser(
    model: type[models.Model],
    using: str,
    *,
    with_them: Sequence[type[models.Model]] = (),
    first: Sequence[BeforeErasing] = (),
) -> Callable[[Collection[int]], int]:
    """What deletes the rows with the keys that it is given, as `prune` does."""
    filled = [each for each in with_them if models.QuerySet(each, using=using).exists()]

    def erase_these(keys: Collection[int]) -> int:
        for each in first:
            each(keys, using)
        with transaction.atomic(using=using) if filled else nullcontext():
            for each_model in filled:
                erase(each_model, keys, using)
            return erase(model, keys, using)

    return erase_these


@cache
def _others_refer_to(model: type[models.Model]) -> bool:
    relations = (field for field in model._meta.get_fields(include_hidden=True) if field.auto_created)
    referring = (field.related_model for field in relations if not field.concrete)
    return any(each.__module__.partition(".")[0] not in _OURS for each in referring if isinstance(each, type))
