"""The product, broken on purpose: its real functions, with a few words of their source left out or others in place.

A fault that finds nothing to break fails, so none is tried on a function that is no longer what it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import getsource
from textwrap import dedent
from types import ModuleType

import pytest

from schedules import changes, planning, recurrence
from schedules.changes import backfills, declare, pauses, row, wishes
from schedules.occurrences import materialize
from worker import queue, roster
from worker.dialects.many import ManyRows
from worker.dialects.portable import Dialect
from worker.dialects.postgresql import PostgreSQL
from worker.process.unrecorded import Unrecorded
from worker.queue import inheritance, turns
from worker.vigil import Vigil


@dataclass(frozen=True)
class Fault:
    """In that function it says other words."""

    place: ModuleType | type
    function: str
    says: str
    instead: str = ""

    def make(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = getattr(self.place, self.function)
        source = dedent(getsource(whole))
        assert source.count(self.says) == 1, f"{self.function} does not say {self.says!r} once"
        broken: dict[str, object] = {}
        code = compile(source.replace(self.says, self.instead), f"<{self.function}, broken>", "exec")
        exec(code, whole.__globals__, broken)
        monkeypatch.setattr(self.place, self.function, broken[self.function])


REVISION = Fault(materialize, "_unchanged", " if revisions[id] == revision")
UNIQUE_KEY = Fault(ManyRows, "add", "INSERT INTO", "INSERT OR IGNORE INTO")

OF_THE_QUEUE: dict[str, tuple[Fault, ...]] = {
    # Fences
    "an ack names no fence": (Fault(Dialect, "finish", "end.job.hold in held", "end.job.id in dict(held)"),),
    "a job that is put back names no fence": (Fault(queue, "_schedule_again", ", claim=job.job.claim"),),
    "a release names no fence": (Fault(queue, "release", ", claim=token"),),
    "a worker gives back what it holds": (Fault(queue, "release_unheld", ".exclude(claim__in=claims)"),),
    "a rescued job keeps its fence": (Fault(inheritance, "_rescue", "**UNHELD", "worker_id=None"),),
    # Who is alive
    "who gives signs of life is buried": (
        Fault(Vigil, "_as_before", " and before.sign == sign"),
        Fault(roster, "_free", " if sign == signs[id]"),  # the last look, when it is struck off
    ),
    "who is silent is never buried": (Fault(Vigil, "silent", ">= patience", "> 2 * self.patience"),),
    # Refusals
    "what the history does not take is forgotten": (Fault(Unrecorded, "_keep", "self.refused.append(ended)", "pass"),),
    # Guards of states
    "a promotion asks for no state": (Fault(Dialect, "promote", "state = 'scheduled' AND "),),
    "what runs may be cancelled": (Fault(Dialect, "take", " AND state <> 'running'"),),
}

OF_THE_CLOCK: dict[str, tuple[Fault, ...]] = {
    # Once
    "a revision is not compared": (REVISION,),
    # Behind that wall the other is never reached.
    "an occurrence may have two lines": (REVISION, UNIQUE_KEY),
    "a tick moves the cursor back": (
        Fault(
            materialize,
            "_move",
            "plan.cursor,",
            "plan.cursor - 60 * (plan.cursor - schedule.settled_until),",
        ),
    ),
    "an edit leaves the past to the catch-up": (
        Fault(row, "stood_still", "due.explained(), max(now, standing.cursor)", "(), standing.cursor"),
    ),
    "a limit that is lifted brings back the past": (
        Fault(declare, "follow", " or limits_of(row) != limits_of(wished)"),
    ),
    "what comes back brings the past": (Fault(declare, "follow", "if returns or fires_elsewhere or", "if"),),
    "another spelling is another recurrence": (
        Fault(
            wishes,
            "instants_of",
            "row.recurrence.meaning",
            "(row.cron, row.repeat, row.run_at, row.timezone, row.dst_gap)",
        ),
    ),
    "a pause lets in who waits": (Fault(pauses, "hold_back", "queue.hold_lane(lane, using)", "pass"),),
    "a declaration ends the pause of an operator": (
        Fault(wishes, "_follow_enabled", "row.paused_as_declared", "row.paused_at"),
    ),
    "a one-off in the past does not run": (
        Fault(wishes, "_settle_past_one_off", "put(row, using, settled_until=at - TICK)", "pass"),
    ),
    "a backfill runs what ran": (Fault(backfills, "_without_job", "at not in have and "), UNIQUE_KEY),
    "a backfill is ahead of the tick": (Fault(changes, "backfill", "min(end, row.settled_until)", "end"),),
    "a backfill leaves in the ledger what it runs": (
        Fault(changes, "backfill", "_replace(row, lines, instants, using, now)", "pass"),
    ),
    # Policies and clocks
    "who waits does not wait its turn": (
        Fault(Dialect, "_first_of", "WHERE lane", "WHERE state = 'waiting' AND lane"),
    ),
    "who is let in may run already": (Fault(turns, "_let_in", ", state=JobState.WAITING)", ")"),),
    "an unfinished run is overlooked": (Fault(materialize, "materialize", "each.overlap != ", "each.overlap == "),),
    "what a pause held back is forgotten": (Fault(row, "_write", "in plan.not_run", "in ()"),),
    "a pause that is over goes on": (
        Fault(pauses, "_end_pause_that_is_over", "row.paused_until > now", "row.paused_until"),
    ),
    "a schedule does not end": (Fault(planning, "_is_over", "runs >= policies.max_runs", "runs > policies.max_runs"),),
    "an hour that comes twice is taken as it comes": (
        Fault(recurrence.Cron, "_made_timeline", "LITERAL if fields.wildcard else chosen", "LITERAL"),
    ),
}

OF_POSTGRESQL: dict[str, tuple[Fault, ...]] = {
    "an ack names no fence": (Fault(PostgreSQL, "finish", " AND job.claim = given.claim"),),
    "a promotion asks for no state": (Fault(PostgreSQL, "promote", "state = 'scheduled' AND "),),
}
