"""The connections of a slot, when closing one fails: that is told, and no job suffers from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from django.db import InterfaceError, connections

from schedules.testing import ManualClock
from tests.conformance.worker.process.workers import heard
from tests.schedules.recurrence.moments import at
from worker import signals
from worker.running import slot_connections
from worker.running.slot_connections import SlotConnections


def refuse(*_: object) -> NoReturn:
    raise InterfaceError("the socket is gone; password=hunter2\nERROR forged")


@pytest.mark.parametrize("close", [SlotConnections.close_spent, SlotConnections.close])
def test_a_connection_that_cannot_be_closed_is_an_event_and_a_log_line_and_no_error(
    close: Callable[[SlotConnections], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(slot_connections, "close_old_connections", refuse)
    monkeypatch.setattr(type(connections), "close_all", refuse)

    with heard(signals.connection_unclosed) as told:
        close(SlotConnections(ManualClock(at("10:00")), "default"))

    assert [type(each["error"]) for each in told] == [InterfaceError]
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("worker", "ERROR")
    assert record.getMessage() == "a database connection of jobs that have ended could not be closed"
    assert record.exc_text is not None
    assert record.exc_text.startswith("    Traceback")
    assert "\n    ERROR forged" in record.exc_text
    assert "hunter2" not in record.exc_text
