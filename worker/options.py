"""`settings.SCHEDULER`: every option, its default, its unit, and what is wrong with a given value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from worker import backoff
from worker.messages.echo import quoted
from worker.messages.expected import a_whole_number, is_number, is_whole, must_be
from worker.messages.nearest import is_no_option

MOST = 10_000
"""Slots, jobs or attempts."""
MOST_ALLOWED = 1_000_000
"""Failures."""
HEARTBEATS_WITHIN_SILENCE = 4
"""A living worker may miss two signs of life behind a lock that refuses them, and still give one in time."""
SHORTEST_HEARTBEAT = 0.1
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `settings.SCHEDULER`, by their names there. All are optional."""

    DATABASE: str = "default"
    """Alias of the database that holds the tables. Enqueueing joins a transaction on that alias."""
    TIME_ZONE: str = ""
    """IANA zone of cron expressions that name none. Default: settings.TIME_ZONE."""
    THREADS: int = 4
    """Slots of a worker process: how many jobs it runs at once."""
    BATCH_SIZE: int = 1000
    """The most jobs that one process holds. A claim takes up to half of them."""
    GRACE: float = 30.0
    """Seconds that running jobs have to finish when a worker is asked to stop; then they are given back."""
    HEARTBEAT: float = 5.0
    """Seconds between two signs of life of a worker, and of the leader."""
    RESCUE_AFTER: float = 20.0
    """Seconds of silence, at least four heartbeats, after which a worker counts as dead and its jobs go to others."""
    MAX_ATTEMPTS: int = 12
    """How often a job is tried before it counts as failed, unless its task says otherwise: with `BACKOFF`, for 4 h."""
    BACKOFF: backoff.Delays = 15.0
    """Seconds before the second attempt, doubling up to an hour; or a list of delays in seconds."""
    FAILURES_WITHIN: timedelta = timedelta(days=1)
    """How long a job that has failed for good is told as a problem, unless it is retried by hand."""
    FAILURES_ALLOWED: int = 0
    """How many jobs of a task may fail for good within that time before it is told."""
    KEEP_FINISHED: timedelta = timedelta(days=30)
    """How long finished jobs are kept."""
    KEEP_FAILED: timedelta | None = None
    """How long those are kept that failed for good, at least as long as others. None: as long as others."""
    KEEP_LEDGER: timedelta = timedelta(days=90)
    """How long the ledger of occurrences is kept."""
    LOCK: str = "auto"
    """The leader's lock: "session", "transaction" (behind a transaction pooler), or "auto" to find out."""
    WAKEUP: str = "auto"
    """How processes hear of new work: "notify", "poll", or "auto": the best that the database has."""
    HIDE: Sequence[str] = ("API", "AUTH", "TOKEN", "KEY", "SECRET", "PASS", "SIGNATURE", "HTTP_COOKIE")
    """Regular expressions, in any case: what bears a name in which one is found is not shown, only stored."""

    CARRY: Sequence[Any] = ()
    """Carriers: what a job takes along from the place of its call, such as the language. Dotted paths, or objects."""

    CODEC: Any = None
    """Encodes arguments and results before they are stored, and decodes them again: a dotted path, or an object."""

    @property
    def keep_failed(self) -> timedelta:
        return self.KEEP_FINISHED if self.KEEP_FAILED is None else self.KEEP_FAILED

    @property
    def time_zone(self) -> str:
        return self.TIME_ZONE or settings.TIME_ZONE


def options() -> Options:
    """The options in force.

    Raises ImproperlyConfigured with the first of `problems()` if there is one.
    """
    return _options()


def problems() -> Iterator[str]:
    """What is wrong with `settings.SCHEDULER`, one sentence a fault."""
    given = getattr(settings, "SCHEDULER", {})
    if not isinstance(given, Mapping):
        yield must_be("SCHEDULER", given, "a dictionary of options")
        return
    for name, value in given.items():
        yield from _problems_of(name, value)
    if (failed := given.get("KEEP_FAILED")) and not any(_problems_of("KEEP_FAILED", failed)):
        yield from _failed_stay_longest(failed, given.get("KEEP_FINISHED", Options().KEEP_FINISHED))
    if not any(_problems_of("HEARTBEAT", given.get("HEARTBEAT", 5.0))) and not any(
        _problems_of("RESCUE_AFTER", given.get("RESCUE_AFTER", 20.0))
    ):
        yield from _heartbeat_fits(Options(**{k: given[k] for k in ("HEARTBEAT", "RESCUE_AFTER") if k in given}))


@lru_cache(maxsize=1)
def _options() -> Options:
    for fault in problems():
        raise ImproperlyConfigured(fault)
    return Options(**getattr(settings, "SCHEDULER", {}))


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "SCHEDULER":
        _options.cache_clear()


setting_changed.connect(_forget)


def _problems_of(name: object, value: object) -> Iterator[str]:
    known = [field.name for field in fields(Options)]
    if name not in known:
        yield is_no_option(f"SCHEDULER[{quoted(name)}]", name, known)
        return
    expected = _EXPECTED[str(name)](value)
    if expected:
        yield must_be(f'SCHEDULER["{name}"]', value, expected)


def _heartbeat_fits(given: Options) -> Iterator[str]:
    heartbeat, silence = given.HEARTBEAT, given.RESCUE_AFTER
    least, most = HEARTBEATS_WITHIN_SILENCE * heartbeat, silence / HEARTBEATS_WITHIN_SILENCE
    if silence < least:
        yield (
            f'SCHEDULER["RESCUE_AFTER"] is {silence:g} s, but must be at least four times HEARTBEAT '
            f"({heartbeat:g} s): else a lock could make a worker that is alive count as dead. "
            f"Set RESCUE_AFTER to {least:g} or more, or HEARTBEAT to {most:g} or less."
        )


def _failed_stay_longest(failed: timedelta, finished: object) -> Iterator[str]:
    if isinstance(finished, timedelta) and failed < finished:
        yield (
            f'SCHEDULER["KEEP_FAILED"] is {failed!r}, but must be at least KEEP_FINISHED ({finished!r}): jobs that '
            "failed are kept for longer than others, not for less. Raise it, or lower KEEP_FINISHED."
        )


def _alias(value: object) -> str | None:
    return (
        None
        if value in list(settings.DATABASES)
        else f"one of the aliases in DATABASES ({', '.join(settings.DATABASES)})"
    )


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else "the name of a time zone"


def _count(value: object) -> str | None:
    return None if is_whole(value, 1, MOST) else a_whole_number(1, MOST)


def _allowance(value: object) -> str | None:
    return None if is_whole(value, 0, MOST_ALLOWED) else a_whole_number(0, MOST_ALLOWED)


def _seconds(least: float) -> Callable[[object], str | None]:
    def expected(value: object) -> str | None:
        return None if is_number(value, least, 86_400) else f"a number of seconds from {least:g} to 86400"

    return expected


def _period(value: object) -> str | None:
    return None if isinstance(value, timedelta) and value > timedelta(0) else "a positive timedelta"


def _period_or_none(value: object) -> str | None:
    return None if value is None or _period(value) is None else "a positive timedelta, or None"


def _choice(*choices: str) -> Callable[[object], str | None]:
    def expected(value: object) -> str | None:
        return None if value in choices else "one of " + ", ".join(f'"{choice}"' for choice in choices)

    return expected


def _patterns(value: object) -> str | None:
    good = isinstance(value, (list, tuple)) and all(isinstance(each, str) and _compiles(each) for each in value)
    return None if good else "a list of regular expressions"


def _carriers(value: object) -> str | None:
    """Whether each can be one is seen when they are imported, which is later."""
    good = isinstance(value, (list, tuple)) and not any(each is None or each == "" for each in value)
    return None if good else 'a list of carriers, such as ["worker.carry.Language"]'


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _backoff(value: object) -> str | None:
    return None if backoff.problem(value) is None else "a number of seconds, or a list of them"


_EXPECTED: dict[str, Callable[[object], str | None]] = {
    "DATABASE": _alias,
    "TIME_ZONE": _text,
    "THREADS": _count,
    "BATCH_SIZE": _count,
    "GRACE": _seconds(0),
    "HEARTBEAT": _seconds(SHORTEST_HEARTBEAT),
    "RESCUE_AFTER": _seconds(HEARTBEATS_WITHIN_SILENCE * SHORTEST_HEARTBEAT),
    "MAX_ATTEMPTS": _count,
    "BACKOFF": _backoff,
    "FAILURES_WITHIN": _period,
    "FAILURES_ALLOWED": _allowance,
    "KEEP_FINISHED": _period,
    "KEEP_FAILED": _period_or_none,
    "KEEP_LEDGER": _period,
    "LOCK": _choice("auto", "session", "transaction"),
    "WAKEUP": _choice("auto", "notify", "poll"),
    "HIDE": _patterns,
    "CARRY": _carriers,
    "CODEC": lambda value: 'a dotted path, such as "shop.security.Codec", or an object' if value == "" else None,
}
