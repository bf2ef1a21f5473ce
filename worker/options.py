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
    """Seconds of silence after which a worker counts as dead and its jobs are given to others."""
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
    KEEP_LEDGER: timedelta = timedelta(days=90)
    """How long the ledger of occurrences is kept."""
    LOCK: str = "auto"
    """The leader's lock: "session", "transaction" (behind a transaction pooler), or "auto" to find out."""
    WAKEUP: str = "auto"
    """How processes hear of new work: "notify", "poll", or "auto": the best that the database has."""
    HIDE: Sequence[str] = ("API", "AUTH", "TOKEN", "KEY", "SECRET", "PASS", "SIGNATURE", "HTTP_COOKIE")
    """Regular expressions, in any case: what bears a name in which one is found is not shown, only stored."""

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
    if given.RESCUE_AFTER < 2 * given.HEARTBEAT:
        yield (
            f'SCHEDULER["RESCUE_AFTER"] is {given.RESCUE_AFTER:g} s, but must be at least twice HEARTBEAT '
            f"({given.HEARTBEAT:g} s): else a worker that is alive would be taken for dead."
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


def _choice(*choices: str) -> Callable[[object], str | None]:
    def expected(value: object) -> str | None:
        return None if value in choices else "one of " + ", ".join(f'"{choice}"' for choice in choices)

    return expected


def _patterns(value: object) -> str | None:
    good = isinstance(value, (list, tuple)) and all(isinstance(each, str) and _compiles(each) for each in value)
    return None if good else "a list of regular expressions"


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
    "HEARTBEAT": _seconds(0.1),
    "RESCUE_AFTER": _seconds(0.2),
    "MAX_ATTEMPTS": _count,
    "BACKOFF": _backoff,
    "FAILURES_WITHIN": _period,
    "FAILURES_ALLOWED": _allowance,
    "KEEP_FINISHED": _period,
    "KEEP_LEDGER": _period,
    "LOCK": _choice("auto", "session", "transaction"),
    "WAKEUP": _choice("auto", "notify", "poll"),
    "HIDE": _patterns,
}
