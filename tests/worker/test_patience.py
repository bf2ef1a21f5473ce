"""How long a process waits before it asks or tries again."""

from __future__ import annotations

from worker.patience import Patience, Tries


def test_patience_grows_to_its_limit_while_nothing_happens_and_ends_when_something_does() -> None:
    patience = Patience(longest=0.2)

    assert [patience.next() for _ in range(6)] == [0.02, 0.04, 0.08, 0.16, 0.2, 0.2]
    patience.reset()
    assert patience.next() == 0.02


def test_patience_never_exceeds_its_limit() -> None:
    patience = Patience(longest=0.005)

    assert [patience.next() for _ in range(2)] == [0.005, 0.005]


def test_what_fails_again_and_again_is_tried_ever_more_seldom_however_much_goes_well_before_it_fails() -> None:
    tries, now, delays = Tries(longest=4.0, shortest=0.5), 1000.0, []
    for _ in range(6):
        delays.append(tries.failed(now))
        now += delays[-1] + 3.0

    assert delays == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_what_fails_after_a_time_in_which_nothing_did_is_tried_again_soon() -> None:
    tries, now = Tries(longest=4.0), 1000.0
    for _ in range(20):
        now += tries.failed(now)

    assert tries.failed(now + 4.1) == 0.02
