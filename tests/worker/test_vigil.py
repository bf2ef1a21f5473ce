"""Who is alive is seen, not dated; and whoever watches distrusts itself."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from worker.options import HEARTBEATS_WITHIN_SILENCE
from worker.vigil import LONGEST_LOOK, LONGEST_PAUSE, Vigil

PATIENCE = 20.0


class Watcher:
    """Looks every `pause` seconds, and takes no time for it unless a test says so."""

    def __init__(self) -> None:
        self.vigil: Vigil[str, int] = Vigil(PATIENCE)
        self.now = 1000.0

    def look(self, signs: Mapping[str, int], *, after: float = 2.5, taking: float = 0.0) -> set[str]:
        """Gives who is silent."""
        began = self.now + after
        self.now = began + taking
        self.vigil.look(signs, began=began, ended=self.now)
        return set(self.vigil.silent())

    def looks(self, signs: Mapping[str, int], times: int) -> set[str]:
        silent: set[str] = set()
        for _ in range(times):
            silent = self.look(signs)
        return silent


def test_who_gives_no_other_sign_for_the_whole_time_is_silent_and_not_before() -> None:
    watcher = Watcher()
    watcher.look({"a": 1})

    assert watcher.looks({"a": 1}, 7) == set()
    assert watcher.looks({"a": 1}, 1) == {"a"}
    assert watcher.vigil.silent() == {"a": 1}


def test_any_other_sign_is_one_of_life_an_older_one_too() -> None:
    watcher = Watcher()
    watcher.looks({"a": 5, "b": 5}, 9)

    assert watcher.look({"a": 4, "b": 5}) == {"b"}


def test_who_comes_late_has_its_whole_time() -> None:
    watcher = Watcher()
    watcher.looks({"a": 1}, 5)

    assert watcher.looks({"a": 1, "b": 1}, 8) == {"a"}
    assert watcher.looks({"a": 1, "b": 1}, 1) == {"a", "b"}


def test_who_was_not_seen_in_between_has_its_whole_time() -> None:
    watcher = Watcher()
    watcher.looks({"a": 1}, 8)
    watcher.look({})

    assert watcher.looks({"a": 1}, 8) == set()


def test_a_watcher_that_did_not_look_for_too_long_begins_anew() -> None:
    watcher = Watcher()
    watcher.looks({"a": 1}, 8)

    assert watcher.look({"a": 1}, after=LONGEST_PAUSE * PATIENCE + 0.1) == set()
    assert watcher.looks({"a": 1}, 7) == set()
    assert watcher.looks({"a": 1}, 1) == {"a"}


def test_a_look_that_took_too_long_counts_as_the_first() -> None:
    watcher = Watcher()
    watcher.looks({"a": 1}, 8)

    assert watcher.look({"a": 1}, taking=LONGEST_LOOK * PATIENCE + 0.1) == set()
    assert watcher.looks({"a": 1}, 7) == set()
    assert watcher.looks({"a": 1}, 1) == {"a"}


def test_time_is_counted_from_the_end_of_the_first_look_to_the_beginning_of_the_last() -> None:
    watcher = Watcher()
    watcher.look({"a": 1}, taking=1.5)
    watcher.looks({"a": 1}, 7)

    assert watcher.look({"a": 1}, after=2.4, taking=1.5) == set()
    assert watcher.look({"a": 1}) == {"a"}


def test_silence_of_less_than_the_whole_time_can_be_asked_for() -> None:
    watcher = Watcher()
    watcher.looks({"a": 1}, 3)

    assert watcher.vigil.silent(5) == {"a": 1}
    assert watcher.vigil.silent(6) == {}
    assert watcher.vigil.silent(6, at=watcher.now + 1) == {"a": 1}


def test_who_is_refused_while_the_watcher_waits_behind_the_same_lock_is_not_taken_for_dead() -> None:
    host = Host()
    host.the_host_is_stopped(1.0)
    host.time_passes(1.0)
    host.time_passes(0.5)
    host.the_table_is_locked(14.5)

    host.time_passes(20.0)

    assert host.silent == set()


# Whatever happens

HEARTBEAT = PATIENCE / HEARTBEATS_WITHIN_SILENCE
"""The longest that the options allow."""
LOOK_EVERY = HEARTBEAT / 2
WORKERS = range(3)
SECONDS = st.floats(0.1, 60)


class Host(RuleBasedStateMachine):
    """Workers that beat, one that watches them, and what may come between: locks, stops, clocks that are set, deaths.

    Time goes on in small steps, in which each does what it is to do, as far as it can. A sign of life that was refused
    is given a heartbeat later.
    """

    STEP = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.clock_is_wrong_by = 0.0
        self.locked_until = self.stopped_until = 0.0
        self.signs = dict.fromkeys(WORKERS, 0.0)
        self.beat_at = {worker: worker * HEARTBEAT / len(WORKERS) for worker in WORKERS}
        self.died_at: dict[int, float] = {}
        self.disturbed_at = 0.0
        self.vigil: Vigil[int, float] = Vigil(PATIENCE)
        self.look_at = 0.0
        self.look_began: float | None = None
        self.silent: set[int] = set()

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += self.STEP
            if self.now >= self.stopped_until:
                self._watch()  # the worst order: a watcher that is first when all go on again
                self._beat()

    @rule(seconds=SECONDS)
    def the_table_is_locked(self, seconds: float) -> None:
        """Nobody writes it. It can be read."""
        self.locked_until = max(self.locked_until, self.now + seconds)
        self.disturbed_at = max(self.disturbed_at, self.locked_until)

    @rule(seconds=SECONDS)
    def the_host_is_stopped(self, seconds: float) -> None:
        self.stopped_until = max(self.stopped_until, self.now + seconds)
        self.disturbed_at = max(self.disturbed_at, self.stopped_until)

    @rule(seconds=st.floats(-100_000, 100_000))
    def the_clock_of_the_database_is_set(self, seconds: float) -> None:
        self.clock_is_wrong_by += seconds

    @precondition(lambda self: len(self.died_at) < len(WORKERS) - 1)
    @rule(worker=st.sampled_from(WORKERS))
    def a_worker_dies(self, worker: int) -> None:
        self.died_at.setdefault(worker, self.now)

    @invariant()
    def nobody_who_lives_is_taken_for_dead(self) -> None:
        assert self.silent <= self.died_at.keys()

    @invariant()
    def who_is_dead_is_found_within_thirty_seconds_if_nothing_disturbs(self) -> None:
        for worker, died_at in self.died_at.items():
            assert worker in self.silent or self.now - max(died_at, self.disturbed_at) <= 30

    def _beat(self) -> None:
        for worker in WORKERS:
            if worker not in self.died_at and self.now >= self.beat_at[worker]:
                self.beat_at[worker] = max(self.now, self.locked_until) + HEARTBEAT
                if self.now >= self.locked_until:
                    self.signs[worker] = self.now + self.clock_is_wrong_by

    def _watch(self) -> None:
        """As a rescue does it: in the second half of the patience, each look writes as well."""
        if self.look_began is None and self.now < self.look_at:
            return
        if self.look_began is None:
            self.look_began = self.now
        doubted = self.vigil.silent(PATIENCE / 2, at=self.look_began)
        if doubted and self.now < self.locked_until:
            return
        self.vigil.look(self.signs, began=self.look_began, ended=self.now)
        self.silent |= self.vigil.silent().keys()
        self.look_began, self.look_at = None, self.now + LOOK_EVERY


TestWhateverHappens = Host.TestCase
