"""The product, broken on purpose: its real functions, with a few words of their source left out or others in place.

A fault that finds nothing to break fails, so none is tried on a function that is no longer what it was. Each comes with
what happens in stories that are to show it: what takes chance minutes in a wide field takes it seconds in a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from inspect import getsource
from textwrap import dedent
from types import ModuleType

import pytest

from schedules import changes, planning, recurrence, scheduler
from schedules.changes import backfills, declare, in_line, pauses, revisions, row, wishes
from schedules.declarations import sync
from schedules.occurrences import jobs, materialize, spans
from tests.conformance.model import schedule_story
from tests.conformance.model.clock_machine import ClockMachine
from tests.conformance.model.edit_machine import EditMachine
from tests.conformance.model.queue_machine import QueueMachine
from worker import queue, roster
from worker.dialects import many
from worker.dialects.ack import Acks
from worker.dialects.ack import postgresql as acks_of_postgresql
from worker.dialects.claim import Claims
from worker.dialects.lanes import Lanes
from worker.dialects.promotion import PostgreSQLPromotion, Promotion
from worker.process.unrecorded import Unrecorded
from worker.queue import by_hand, inheritance, own_keep, recording, turns
from worker.values import Finish
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


@dataclass(frozen=True)
class Broken:
    """The product with these faults, and the rules of a machine whose stories show them."""

    faults: Collection[Fault]
    rules: Collection[Callable[..., None]]


def _in_both(function: str, says: str, instead: str) -> list[Fault]:
    """The tick has a name of its own for it."""
    return [Fault(place, function, says, instead) for place in (jobs, materialize)]


REVISION = Fault(materialize, "_unchanged", " if revisions[id] == revision")
UNIQUE_KEY = Fault(many, "insertion", "INSERT INTO", "INSERT OR IGNORE INTO")

OF_THE_QUEUE: dict[str, Broken] = {
    # Fences
    "an ack names no fence": Broken(
        [Fault(Acks, "finish", "end.job.hold in held", "end.job.id in dict(held)")],
        [QueueMachine.enqueue, QueueMachine.a_worker_that_was_taken_for_dead_acks],
    ),
    "a job that is put back names no fence": Broken(
        [Fault(recording, "_schedule_again", ", claim=job.job.claim")],
        [QueueMachine.enqueue, QueueMachine.a_worker_that_was_taken_for_dead_acks],
    ),
    "a release names no fence": Broken(
        [Fault(queue, "release", ", claim=token")],
        [QueueMachine.enqueue, QueueMachine.claim, QueueMachine.crash_and_rescue, QueueMachine.release],
    ),
    "a worker gives back what it holds": Broken(
        [Fault(queue, "release_unheld", ".exclude(claim__in=claims)")],
        [QueueMachine.enqueue, QueueMachine.promote_all, QueueMachine.claim, QueueMachine.a_claim_is_not_answered],
    ),
    "a rescued job keeps its fence": Broken(
        [Fault(inheritance, "_rescue", "**UNHELD", "worker_id=None")],
        [QueueMachine.enqueue, QueueMachine.claim, QueueMachine.crash_and_rescue],
    ),
    # Who is alive: at the looks, and at the last one, when it is struck off
    "who gives signs of life is buried": Broken(
        [Fault(Vigil, "_as_before", " and before.sign == sign"), Fault(roster, "_free", " if sign == signs[id]")],
        [QueueMachine.one_falls_silent_while_somebody_watches],
    ),
    "who is silent is never buried": Broken(
        [Fault(Vigil, "silent", ">= patience", "> 2 * self.patience")],
        [QueueMachine.one_falls_silent_while_somebody_watches],
    ),
    # Refusals
    "what the history does not take is forgotten": Broken(
        [Fault(Unrecorded, "_keep", "self.refused.append(ended)", "pass")],
        [QueueMachine.enqueue, QueueMachine.claim, QueueMachine.the_history_is_away_for_a_while],
    ),
    # Records
    "what leaves no record has one": Broken(
        [Fault(own_keep, "_shared", "seconds == 0 and ", "False and ")],
        [QueueMachine.enqueue, QueueMachine.a_worker_that_was_taken_for_dead_acks],
    ),
    # Guards of states
    "a promotion asks for no state": Broken(
        [Fault(Promotion, "promote", "state = 'scheduled' AND ")],
        [QueueMachine.enqueue, QueueMachine.claim, QueueMachine.promote_all],
    ),
    # What is retried by hand
    "what was retried is retried again": Broken(
        [Fault(queue, "retry_new", ", retried_at=None")],
        [QueueMachine.enqueue, QueueMachine.cancel, QueueMachine.retry_what_nobody_has_retried],
    ),
    "a retry is not noted": Broken(
        [Fault(by_hand, "_enqueue_again", "rows.order_by().update(retried_at=WhenWritten())", "pass")],
        [QueueMachine.enqueue, QueueMachine.cancel, QueueMachine.retry_what_nobody_has_retried],
    ),
    # Who is asked to stop
    "what runs is ended by a cancellation": Broken(
        [Fault(Claims, "take_or_ask", "CASE WHEN state = 'running' THEN claim ELSE %s END", "%s")],
        [QueueMachine.enqueue, QueueMachine.what_runs_is_asked_to_stop],
    ),
    "what was asked to stop runs again": Broken(
        [Fault(recording, "_schedule_again", ".filter(UNASKED)")],
        [QueueMachine.enqueue, QueueMachine.what_runs_is_asked_to_stop],
    ),
    "what was asked to stop is given back": Broken(
        [Fault(queue, "let_go", ".filter(UNASKED)")],
        [QueueMachine.enqueue, QueueMachine.what_runs_is_asked_to_stop_and_given_back],
    ),
    "what was asked to stop is given to others when its worker dies": Broken(
        [Fault(inheritance, "_rescue", "rescued.filter(ASKED)", "rescued.none()")],
        [QueueMachine.enqueue, QueueMachine.what_runs_is_asked_to_stop_and_given_back],
    ),
    "what was asked to stop has failed": Broken(
        [Fault(Finish, "stopped", "state=_CANCELLED, ")],
        [QueueMachine.enqueue, QueueMachine.what_runs_is_asked_to_stop],
    ),
}

OF_THE_CLOCK: dict[str, Broken] = {
    # Once
    "a revision is not compared": Broken(
        [REVISION],
        [ClockMachine.a_leader_stands_still],
    ),
    # Behind that wall the other is never reached.
    "an occurrence may have two lines": Broken(
        [REVISION, UNIQUE_KEY],
        [ClockMachine.a_leader_stands_still],
    ),
    "a tick moves the cursor back": Broken(
        [
            Fault(
                materialize,
                "_move",
                "plan.cursor,",
                "plan.cursor - 60 * (plan.cursor - schedule.settled_until),",
            )
        ],
        [ClockMachine.tick],
    ),
    "an edit leaves the past to the catch-up": Broken(
        [Fault(row, "stood_still", "due.explained(), max(now, standing.cursor)", "(), standing.cursor")],
        [ClockMachine.tick, ClockMachine.pause, ClockMachine.change_recurrence],
    ),
    "a limit that is lifted brings back the past": Broken(
        [Fault(place, "follow", " or limits_of(row) != limits_of(wished)") for place in (declare, in_line)],
        [ClockMachine.tick, ClockMachine.change_policies],
    ),
    "what comes back brings the past": Broken(
        [Fault(place, "follow", "if returns or fires_elsewhere or", "if") for place in (declare, in_line)],
        [ClockMachine.tick, ClockMachine.retire_and_return],
    ),
    "another spelling is another recurrence": Broken(
        [
            Fault(
                wishes,
                "instants_of",
                "row.recurrence.meaning",
                "(row.cron, row.repeat, row.run_at, row.timezone, row.dst_gap)",
            )
        ],
        [ClockMachine.tick, ClockMachine.pause, ClockMachine.spell_otherwise],
    ),
    "a pause lets in who waits": Broken(
        [Fault(pauses, "hold_back", "queue.hold_lane(lane, using)", "pass")],
        [ClockMachine.tick, ClockMachine.pause, ClockMachine.resume],
    ),
    "a declaration ends the pause of an operator": Broken(
        [Fault(wishes, "_follow_enabled", "row.paused_as_declared", "row.paused_at")],
        [ClockMachine.pause, ClockMachine.declare_as_enabled_or_not],
    ),
    "a one-off in the past does not run": Broken(
        [Fault(wishes, "_settle_past_one_off", "put(row, settled_until=at - TICK)", "pass")],
        [ClockMachine.tick, ClockMachine.change_recurrence],
    ),
    "a backfill runs what ran": Broken(
        [Fault(backfills, "_without_job", "at not in have and "), UNIQUE_KEY],
        [ClockMachine.backfill],
    ),
    "a backfill is ahead of the tick": Broken(
        [Fault(changes, "backfill", "min(end, row.settled_until)", "end")],
        [ClockMachine.backfill],
    ),
    "a backfill leaves in the ledger what it runs": Broken(
        [Fault(changes, "backfill", "_replace(row, lines, instants, using, now)", "pass")],
        [ClockMachine.backfill, ClockMachine.pause_for_a_while],
    ),
    # What a run stands for
    "a run begins where another one was left out": Broken(
        [Fault(place, "begins_at", ", outcome__in=HAS_JOB") for place in (spans, schedule_story)],
        [ClockMachine.tick, ClockMachine.pause_for_a_while],
    ),
    "a run begins at the first one of its schedule": Broken(
        [Fault(place, "begins_at", '"-scheduled_for"', '"scheduled_for"') for place in (spans, schedule_story)],
        [ClockMachine.tick],
    ),
    # Policies and clocks
    "who waits does not wait its turn": Broken(
        [Fault(Lanes, "_first_of", "WHERE lane", "WHERE state = 'waiting' AND lane")],
        [ClockMachine.tick, ClockMachine.work],
    ),
    "who is let in may run already": Broken(
        [Fault(turns, "_make_ready", ", state=JobState.WAITING)", ")")],
        [ClockMachine.tick, ClockMachine.one_who_promotes_stands_still],
    ),
    "an unfinished run is overlooked": Broken(
        [Fault(scheduler, "materialize", "each.overlap != ", "each.overlap == ")],
        [ClockMachine.tick],
    ),
    "what a pause held back is forgotten": Broken(
        [Fault(row, "_write", "plan.not_run", "()")],
        [ClockMachine.pause_for_a_while],
    ),
    "a pause that is over goes on": Broken(
        [Fault(pauses, "_end_pause_that_is_over", "row.paused_until > now", "row.paused_until")],
        [ClockMachine.tick, ClockMachine.pause],
    ),
    "a schedule does not end": Broken(
        [Fault(planning, "_is_over", "runs >= policies.max_runs", "runs > policies.max_runs")],
        [ClockMachine.tick, ClockMachine.delete],
    ),
    "an hour that comes twice is taken as it comes": Broken(
        [Fault(recurrence.Cron, "_made_timeline", "LITERAL if fields.wildcard else chosen", "LITERAL")],
        [ClockMachine.tick],
    ),
}

OF_THE_EDITS: dict[str, Broken] = {
    # A task or queue that was
    "a job of a task that it had silences a schedule": Broken(
        _in_both(
            "counts", "tasks.same(job.task, schedule.task) and job.queue == _as_its_task_says(schedule)[0]", "True"
        ),
        [EditMachine.change_task_or_queue],
    ),
    "a task that is called otherwise now is another": Broken(
        _in_both("counts", "tasks.same(job.task, schedule.task)", "job.task == schedule.task"),
        [EditMachine.change_task_or_queue],
    ),
    "a schedule that moves waits for what it leaves": Broken(
        [Fault(jobs, "leave_behind", "queue.leave_lane(lane, partial(counts, schedule), elsewhere, using)", "pass")],
        [EditMachine.change_task_or_queue],
    ),
    "a schedule that has moved waits for what was rescued": Broken(
        [Fault(materialize, "_changed", "not counts(each, job)", "not (counts(each, job) or job.interruptions)")],
        [EditMachine.move_while_it_runs_and_its_worker_dies],
    ),
    "a run of a dead worker is unfinished": Broken(
        [Fault(materialize, "standing_of", "not job.interruptions and ")],
        [EditMachine.move_while_it_runs_and_its_worker_dies],
    ),
    # Another name
    "a schedule of another name is another": Broken(
        [Fault(sync, "renamed", "found[spec.identity] = stands_as", "pass")], [EditMachine.rename]
    ),
    "a release that knows no other name makes another": Broken(
        [Fault(sync, "renamed", "once.get(identity)", "None")], [EditMachine.rename]
    ),
    "another name draws anew": Broken([Fault(changes, "rename", 'formerly="\\n".join(names), ')], [EditMachine.rename]),
    "what the code missed runs late": Broken(
        [Fault(wishes, "_settle_past_one_off", "if wish.runs_late:", "if True:")],
        [EditMachine.rename, EditMachine.tick],
    ),
    # Two editors
    "a stale edit is taken": Broken(
        [Fault(place, "require_revision", "revision != revision_of(row)", "False") for place in (declare, in_line)],
        [EditMachine.edit_what_was_seen_before],
    ),
    "a run makes an edit stale": Broken(
        [Fault(revisions, "marks_of", "in SAID", "in (*SAID, 'settled_until')")],
        [EditMachine.edit_what_was_seen_before],
    ),
}

OF_POSTGRESQL: dict[str, Broken] = {
    "what was asked to stop has failed": Broken(
        [Fault(acks_of_postgresql, "finishing_or_cancelling", "job.cancel_reason END", "NULL END")],
        [QueueMachine.enqueue, QueueMachine.what_runs_is_asked_to_stop],
    ),
    "an ack names no fence": Broken(
        [Fault(acks_of_postgresql, "finishing", " AND job.claim = given.claim")],
        [QueueMachine.enqueue, QueueMachine.a_worker_that_was_taken_for_dead_acks],
    ),
    "a promotion asks for no state": Broken(
        [Fault(PostgreSQLPromotion, "promote", "state = 'scheduled' AND ")],
        [QueueMachine.enqueue, QueueMachine.claim, QueueMachine.promote_all],
    ),
}
