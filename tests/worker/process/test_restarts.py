"""How soon a process that has ended is replaced."""

from __future__ import annotations

from worker.process.restarts import LONGEST, Restarts


def test_what_dies_again_and_again_is_replaced_at_growing_pauses() -> None:
    restarts = Restarts()

    assert [restarts.after(lived=0.2) for _ in range(7)] == [1, 2, 4, 8, 16, LONGEST, LONGEST]


def test_after_a_healthy_life_the_next_death_is_as_the_first() -> None:
    restarts = Restarts()
    for _ in range(9):
        restarts.after(lived=0.2)

    assert [restarts.after(lived=LONGEST + 1), restarts.after(lived=0.2)] == [1, 2]
