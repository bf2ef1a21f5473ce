"""How long a process waits before it asks again."""

from __future__ import annotations

from worker.wakeup.asking import Patience


def test_patience_grows_to_its_limit_while_nothing_happens_and_ends_when_something_does() -> None:
    patience = Patience(longest=0.2)

    assert [patience.next() for _ in range(6)] == [0.02, 0.04, 0.08, 0.16, 0.2, 0.2]
    patience.reset()
    assert patience.next() == 0.02


def test_patience_never_exceeds_its_limit() -> None:
    patience = Patience(longest=0.005)

    assert [patience.next() for _ in range(2)] == [0.005, 0.005]
