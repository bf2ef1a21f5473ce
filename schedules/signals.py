"""The signals of schedules and leaders, and the one place that writes log lines for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from worker.events import Event, say_seldom
from worker.log import Speaker
from worker.masking import line
from worker.messages.durations import leap, left, pause

__all__ = [
    "clock_leapt",
    "declaration_ignored",
    "leader_disconnected",
    "leader_elected",
    "leader_lost",
    "leader_resigned",
    "leader_standby",
    "leader_synced",
    "projects_met",
    "repeat_until_past",
    "run_at_past",
    "schedule_begins_anew",
    "schedule_broken",
    "schedule_changed",
]

leader_elected = Event()
"""leader, term, lock."""
leader_synced = Event()
"""schedules: how many there are, next_run_at, next_name, now."""
projects_met = Event()
"""leader, own, others: settings modules. Processes of other projects declare schedules in the same tables."""
leader_resigned = Event()
"""leader, term."""
leader_lost = Event()
"""leader, term, error: the lock or the session was lost; nothing more is written in this term."""
leader_disconnected = Event()
"""leader, error, retry_in: seconds. A candidate or leader lost the database."""
leader_standby = Event()
"""leader: another process leads."""
clock_leapt = Event()
"""leader, seconds: the database's clock against this process's monotonic one. Ticks are held for a while."""
schedule_broken = Event()
"""name, reason."""
run_at_past = Event()
"""name, run_at: a one-off was declared whose time was past; it is recorded as missed."""
repeat_until_past = Event()
"""name, repeat_until: a schedule was declared whose end was past; nothing of it runs."""
schedule_begins_anew = Event()
"""name, formerly: it is new, and does the same as one that is declared no more. Perhaps it was renamed."""
declaration_ignored = Event()
"""name, reason: no schedule follows this declaration. It cannot be read, or the name belongs to somebody else."""
schedule_changed = Event()
"""name, change: created, updated, retired, paused, resumed, detached, given_back, renamed, repaired or deleted."""

leader_log = Speaker("schedules.leader")
schedule_log = Speaker("schedules.schedule")


def _log_elected(leader: str, term: int, lock: str, **_: Any) -> None:
    say_seldom(leader_log.info, "%s elected, term %d (%s lock)", leader, term, lock)


def _log_synced(schedules: int, next_run_at: datetime | None, next_name: str, now: datetime, **_: Any) -> None:
    if next_run_at is None:
        say_seldom(leader_log.info, "%d schedules in sync, none has a next run", schedules)
    else:
        what = "%d schedules in sync, next run in %s (%s)"
        say_seldom(leader_log.info, what, schedules, left(next_run_at - now), line(next_name))


def _log_resigned(leader: str, term: int, **_: Any) -> None:
    leader_log.info("%s resigned, term %d", leader, term)


def _log_lost(leader: str, term: int, error: Exception, **_: Any) -> None:
    say_seldom(leader_log.error, "%s lost the lead, term %d: %s", leader, term, line(str(error).strip()))


def _log_disconnected(leader: str, error: Exception, retry_in: float, **_: Any) -> None:
    why = line(str(error).strip())
    say_seldom(leader_log.warning, "%s closed its session (%s); again in %s", leader, why, pause(retry_in))


def _log_standby(leader: str, **_: Any) -> None:
    leader_log.info("%s stands by: another process leads", leader)


def _log_met(own: str, others: list[str], **_: Any) -> None:
    leader_log.error(
        "processes of %s declare schedules in the tables of %s, so no schedule is retired; give each "
        "project a database or schema",
        line(", ".join(others)),
        line(own),
    )


def _log_leapt(seconds: float, **_: Any) -> None:
    leader_log.error("the database's clock jumped %s; the leader makes no ticks for a while", leap(seconds))


def _log_broken(name: str, reason: str, **_: Any) -> None:
    schedule_log.error("%s is broken and does not run until it is changed: %s", line(name), line(reason))


def _log_run_at_past(name: str, run_at: datetime, **_: Any) -> None:
    schedule_log.warning(
        "%s was to run once at %s, which was already past when it was first seen: recorded as missed",
        line(name),
        run_at.isoformat(),
    )


def _log_repeat_until_past(name: str, repeat_until: datetime, **_: Any) -> None:
    schedule_log.warning(
        "%s was to repeat until %s, which is past: it does not run", line(name), repeat_until.isoformat()
    )


def _log_begins_anew(name: str, formerly: str, **_: Any) -> None:
    schedule_log.warning(
        "%s is a new schedule; %s, which does the same, is not declared any more and goes on for ten "
        "minutes. If it was renamed, add renamed_from",
        line(name),
        line(formerly),
    )


def _log_ignored(name: str, reason: str, **_: Any) -> None:
    schedule_log.error("the declaration of %s is ignored: %s", line(name), line(reason))


def _log_changed(name: str, change: str, **_: Any) -> None:
    schedule_log.info("%s %s", line(name), change.replace("_", " "))


leader_elected.connect(_log_elected)
leader_synced.connect(_log_synced)
leader_resigned.connect(_log_resigned)
leader_lost.connect(_log_lost)
leader_disconnected.connect(_log_disconnected)
leader_standby.connect(_log_standby)
projects_met.connect(_log_met)
clock_leapt.connect(_log_leapt)
schedule_broken.connect(_log_broken)
run_at_past.connect(_log_run_at_past)
repeat_until_past.connect(_log_repeat_until_past)
schedule_begins_anew.connect(_log_begins_anew)
declaration_ignored.connect(_log_ignored)
schedule_changed.connect(_log_changed)
