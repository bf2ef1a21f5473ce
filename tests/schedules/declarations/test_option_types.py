"""What a type checker is told of the options is what there is. mypy holds that calls are checked by it."""

from __future__ import annotations

import inspect
from typing import get_overloads

from schedules.declarations import Background
from schedules.declarations.background import CALL_OPTIONS, OF_TASK
from schedules.declarations.option_types import CallOptions, TaskOptions

DECIDE_WHAT_IS_MADE = {"schedule", "repeat", "cron"}


def test_every_option_has_a_type() -> None:
    assert {*CallOptions.__annotations__, *DECIDE_WHAT_IS_MADE} == set(CALL_OPTIONS)
    assert {*TaskOptions.__annotations__, *DECIDE_WHAT_IS_MADE} == {*CALL_OPTIONS, *OF_TASK}


def test_every_option_may_be_given_at_the_call() -> None:
    told = [inspect.signature(each).parameters for each in get_overloads(Background.__call__)]

    assert {name for parameters in told for name in parameters} - {"self", "args", "kwargs", "rest"} == set(
        CALL_OPTIONS
    )
