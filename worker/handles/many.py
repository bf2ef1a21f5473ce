"""What users do to all jobs that match. How it is done, `verbs` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Unpack

from asgiref.sync import sync_to_async

from worker.calls import Explained
from worker.handles.filters import Filters, Given
from worker.handles.verbs import Counts, Portion, Verb, by_default, cancelling, retrying
from worker.models import FinishedJob, Job
from worker.options import options

Hears = Callable[[Counts], object]


def cancel_all(
    *,
    reason: str = "",
    everything: bool = False,
    dry_run: bool = False,
    progress: Hears | None = None,
    **filters: Unpack[Given],
) -> Counts:
    """End all jobs in the queue that match. Those that run are asked to stop, as `JobHandle.cancel` does.

    What finished in between is `skipped`.

    reason: a short text for people. everything: True says that all jobs are meant, where no filter is given.
    dry_run: count, and change nothing. progress: called with the counts so far, after each portion.
    Raises InvalidFilter for what could not work, and TypeError for a filter that does not exist.
    """
    chosen = Filters.checked(filters, "cancel_all", (Job,), everything=everything)
    return _done("cancel_all", cancelling(reason), chosen, progress, dry_run=dry_run)


def retry_all(
    *,
    everything: bool = False,
    dry_run: bool = False,
    progress: Hears | None = None,
    **filters: Unpack[Given],
) -> Counts:
    """Enqueue all finished jobs again that match, but for those that were retried before: these are `skipped`.

    Those that failed are meant, unless a state or ids are given. everything, dry_run, progress, and what it
    raises: as in `cancel_all`.
    """
    chosen = by_default(Filters.checked(filters, "retry_all", (FinishedJob,), everything=everything))
    return _done("retry_all", retrying(), chosen, progress, dry_run=dry_run)


async def acancel_all(
    *,
    reason: str = "",
    everything: bool = False,
    dry_run: bool = False,
    progress: Hears | None = None,
    **filters: Unpack[Given],
) -> Counts:
    """The same as `cancel_all`, in async code: other code has its turn between two portions."""
    chosen = Filters.checked(filters, "acancel_all", (Job,), everything=everything)
    return await _adone("acancel_all", cancelling(reason), chosen, progress, dry_run=dry_run)


async def aretry_all(
    *,
    everything: bool = False,
    dry_run: bool = False,
    progress: Hears | None = None,
    **filters: Unpack[Given],
) -> Counts:
    """The same as `retry_all`, in async code: other code has its turn between two portions."""
    chosen = by_default(Filters.checked(filters, "aretry_all", (FinishedJob,), everything=everything))
    return await _adone("aretry_all", retrying(), chosen, progress, dry_run=dry_run)


def _done(where: str, verb: Verb, chosen: Filters, progress: Hears | None, *, dry_run: bool) -> Counts:
    using, counts = options().DATABASE, Counts()
    with Explained(f"{where}(…)", using, f"await ….a{where}(…)"):
        if dry_run:
            return verb.count(verb.rows(chosen, using))
        for portion in verb.portions(verb.rows(chosen, using), using):
            counts = _told(portion.added_to(counts), progress)
    return counts


async def _adone(where: str, verb: Verb, chosen: Filters, progress: Hears | None, *, dry_run: bool) -> Counts:
    using, counts = options().DATABASE, Counts()
    with Explained(f"{where}(…)", using, ""):
        rows = verb.rows(chosen, using)
        if dry_run:
            return await sync_to_async(verb.count)(rows)
        portions = verb.portions(rows, using)
        while portion := await sync_to_async(_next)(portions):
            counts = _told(portion.added_to(counts), progress)
    return counts


def _next(portions: Iterator[Portion]) -> Portion | None:
    return next(portions, None)


def _told(counts: Counts, progress: Hears | None) -> Counts:
    if progress is not None:
        progress(counts)
    return counts
