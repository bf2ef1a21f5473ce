"""When a worker that was told to stop is over."""

from __future__ import annotations

from worker.process.ending import Ending


def test_who_was_not_told_to_stop_is_never_over() -> None:
    assert not Ending().is_over(1e9, holds=False)


def test_who_was_told_is_over_as_soon_as_it_holds_nothing() -> None:
    ending = Ending()
    ending.stop()

    assert ending.is_over(0.0, holds=False)
    assert not ending.is_over(1e9, holds=True)


def test_what_runs_has_its_grace_from_the_first_time_on_that_it_begins() -> None:
    ending = Ending()
    ending.stop()

    assert ending.begin_grace(100.0, grace=30.0)
    assert not ending.begin_grace(110.0, grace=30.0)

    assert [ending.is_over(now, holds=True) for now in (129.9, 130.0)] == [False, True]


def test_told_twice_it_waits_for_nothing() -> None:
    ending = Ending()
    ending.stop()
    ending.begin_grace(100.0, grace=30.0)
    ending.stop()

    assert ending.is_over(100.0, holds=True)
