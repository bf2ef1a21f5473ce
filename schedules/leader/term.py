"""A term: one continuous hold of the leader's lock, from the first tick and the sync of declarations to the last tick.

It decides what a leader does in one turn and for how long it may sleep. Time is the database's (`Watch`), carried
forward in between by the monotonic clock of this host, which also tells when the database's leaps.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists

from schedules import signals
from schedules.declarations.sync import Declarations, retire_undeclared, sync
from schedules.leader.alive import LastSign, last_sign
from schedules.leader.glance import Watch
from schedules.leader.lock import Lock, NotLeader
from schedules.leader.projects import other_projects, own_project
from schedules.models import Leadership, Schedule
from schedules.occurrences import ledger
from schedules.occurrences.materialize import Authority
from schedules.scheduler import replan_stale_zones, replan_unreachable, tick
from worker.chores import Chores, Portions
from worker.clock import Monotonic, ServerClock
from worker.erasure import prune
from worker.messages.durations import leap
from worker.options import options
from worker.wakeup.asking import longest_wait

LONGEST_SILENCE = 1.0
"""Seconds that a leader may sleep; see rule 3 of the protocol."""
LEAP = 300.0
"""Seconds by which the database's clock may differ from what the monotonic clock expects."""
HOLD_AFTER_LEAP = 30.0
UPKEEP_EVERY = 60.0


class Term:
    """One continuous hold of the lock."""

    def __init__(
        self,
        using: str,
        lock: Lock,
        leader: str,
        started_at: datetime,
        declared: Declarations,
        *,
        watch: Watch | None = None,
        host: Monotonic = time,
        longest_sleep: float | None = None,
    ) -> None:
        """`started_at`: when the leader's process started. `declared`: what was declared in it then.

        `longest_sleep`: seconds, if not as the protocol has it.
        """
        self.using = using
        self.watch = watch or Watch(using)
        self.host = host
        self.lock = lock
        self.leader = leader
        self.leader_started_at = started_at
        self.declared = declared
        self.is_synced = False
        """Whether all rows have been brought in line with it in this term."""
        self.id = 0
        self.others: frozenset[str] = frozenset()
        """Other projects that declare schedules in these tables, as it seems. Meanwhile nothing is retired."""
        self.chores = Chores(host)
        self.longest_sleep = longest_sleep or min(LONGEST_SILENCE, longest_wait(using))
        self.clock = ServerClock(self.watch.now(), host)
        self.renew_every = options().HEARTBEAT if lock.lasts else min(options().HEARTBEAT, LONGEST_SILENCE)
        self.renew_at = self.hold_until = self.host.monotonic()
        for chore in (self._look_after_declarations, self._replan, self._prune_ledger, self._prune_terms):
            self.chores.add(chore, UPKEEP_EVERY)

    @property
    def authority(self) -> Authority:
        return Authority(self.id, self.prove)

    def begin(self, after: LastSign | None = None) -> None:
        """Raises NotLeader where another was faster.

        `after`: the last sign of whoever led before, as far as it was seen; of use where the lock lasts for a
        transaction only.
        """
        with transaction.atomic(using=self.using):
            self.lock.prove()
            if not self.lock.lasts and last_sign(self.using) != after:
                raise NotLeader("Another process began a term at this moment.")
            now = self.watch.now()
            row = Leadership(
                leader=self.leader, lock=self.lock.kind, project=own_project(), started_at=now, renewed_at=now
            )
            (begun,) = Leadership.objects.using(self.using).bulk_create([row])
        self.id = begun.pk
        signals.leader_elected.send_robust(None, leader=self.leader, term=self.id, lock=self.lock.kind)

    def prove(self) -> None:
        """Raises NotLeader unless this term may write now. Comes first in each transaction.

        It is a sign of life as well, so that nothing that is done in many of them holds that up.
        """
        self.lock.prove()
        it_is_time = self.host.monotonic() >= self.renew_at
        if (it_is_time or not self.lock.lasts) and not self._renewed():
            raise NotLeader("Another process has begun a term since.")

    def turn(self) -> float:
        """One tick, and what belongs to it. Returns how many seconds the leader may sleep."""
        now, due = self.watch.glance()
        self._watch_clock(now)
        self._renew()
        if self.host.monotonic() < self.hold_until:
            self.chores.rescue.look(self.using)  # which heeds no date
            return self._sleep(LONGEST_SILENCE, until=self.chores.rescue.look_at)
        if due is not None and due <= now:
            due = tick(self.using, now, self.chores, self.authority)
        elif self.chores.wanted_at <= self.host.monotonic():
            self.chores.keep(self.using, now)
            _, due = self.watch.glance()  # what was kept may have made something due
        until_due = self.longest_sleep if due is None else (due - self.clock.now()).total_seconds()
        return self._sleep(min(self.longest_sleep, until_due), until=self.chores.wanted_at)

    def end(self) -> None:
        self._update(ended_at=self.watch.when_written())
        signals.leader_resigned.send_robust(None, leader=self.leader, term=self.id)

    def _sleep(self, seconds: float, until: float) -> float:
        """So many, and not longer than until then by the monotonic clock."""
        return max(0.0, min(seconds, until - self.host.monotonic()))

    def _watch_clock(self, now: datetime) -> None:
        """A clock that was set says nothing about what is due: hold, and look again."""
        leapt = (now - self.clock.now()).total_seconds()
        self.clock.set(now)
        if abs(leapt) > LEAP:
            self.hold_until = self.host.monotonic() + HOLD_AFTER_LEAP
            self._update(trouble=f"The database's clock leapt {leap(leapt)}.", renewed_at=self.watch.when_written())
            signals.clock_leapt.send_robust(None, leader=self.leader, seconds=leapt)

    def _renew(self) -> None:
        if self.host.monotonic() >= self.renew_at:
            with transaction.atomic(using=self.using):
                self.prove()

    def _look_after_declarations(self, using: str, now: datetime) -> Portions:
        """What a term begins with. Nothing is retired before all that is declared has been compared."""
        are_gone = self._look_for_others(now)
        if are_gone or not self.is_synced:
            yield from sync(
                self.using,
                self.clock,
                self.leader_started_at,
                self.declared,
                self.authority,
                spares_others=self._others_declare_too,
            )
        if not self.is_synced:
            self.is_synced = True
            self._tell_next_run(self.clock.now())
        if not self.others:
            yield from retire_undeclared(using, now, self.authority)

    def _replan(self, using: str, now: datetime) -> Portions:
        """Processes with other zone data may edit at any time."""
        yield from replan_stale_zones(using, now, self.authority)
        yield from replan_unreachable(using, now, self.authority)

    def _prune_ledger(self, using: str, now: datetime) -> Portions:
        return ledger.prune(using, now - options().KEEP_LEDGER)

    def _prune_terms(self, using: str, now: datetime) -> Portions:
        return prune(Leadership, "renewed_at", now - options().KEEP_LEDGER, using)

    def _others_declare_too(self) -> bool:
        self._look_for_others(self.clock.now())
        return bool(self.others)

    def _look_for_others(self, now: datetime) -> bool:
        """Whether they are all gone that were there until now: then what they declared is declared no more."""
        before, self.others = self.others, other_projects(self.using, now)
        if self.others != before:
            self._update(others="\n".join(sorted(self.others)))
        if self.others - before:
            signals.projects_met.send_robust(None, leader=self.leader, own=own_project(), others=sorted(self.others))
        return bool(before) and not self.others

    def _renewed(self) -> bool:
        """A sign of life, unless a newer term has begun."""
        self.renew_at = self.host.monotonic() + self.renew_every
        told = {"chores_refused": self.chores.refused}
        if self.host.monotonic() >= self.hold_until:
            told["trouble"] = ""
        terms = Leadership.objects.using(self.using)
        newest = terms.filter(~Exists(terms.filter(pk__gt=self.id)), pk=self.id)
        return newest.update(renewed_at=self.watch.when_written(), **told) == 1

    def _update(self, **columns: Any) -> None:
        with transaction.atomic(using=self.using):
            self.prove()
            Leadership.objects.using(self.using).filter(pk=self.id).update(**columns)

    def _tell_next_run(self, now: datetime) -> None:
        rows = Schedule.objects.using(self.using)
        upcoming = rows.filter(next_run_at__isnull=False).order_by("next_run_at").values_list("next_run_at", "name")
        next_run_at, name = upcoming.first() or (None, "")
        signals.leader_synced.send_robust(
            None, schedules=rows.count(), next_run_at=next_run_at, next_name=name, now=now
        )
