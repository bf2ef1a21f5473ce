"""When to look after news: for as long as others may be quiet about more of it."""

from __future__ import annotations

import pytest

from worker.wakeup import LATER, LONGEST_QUIET, READY
from worker.wakeup.ways import Looks


def test_after_news_there_are_looks_for_as_long_as_others_may_be_quiet() -> None:
    looks = Looks()
    looks.begin({READY}, now=10.0)

    instants = [10.0]
    while looks.due(instants[-1]) == [READY] and (pause := looks.pause(instants[-1])):
        instants.append(instants[-1] + pause)

    assert instants == pytest.approx([10, 10.03, 10.09, 10.21, 10.45])
    assert instants[-1] > 10 + LONGEST_QUIET
    assert looks.due(100.0) == []


def test_more_news_begins_the_looks_of_its_own_topic_anew() -> None:
    looks = Looks()
    looks.begin({READY, LATER}, now=10.0)
    assert set(looks.due(10.0)) == {READY, LATER}

    looks.begin({READY}, now=10.02)

    assert looks.due(10.02) == [READY]
    assert set(looks.due(10.06)) == {READY, LATER}
    assert looks.due(10.06) == []
