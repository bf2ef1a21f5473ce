"""The backend that is judged, a database with committed rows, and what its flags leave out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils.module_loading import import_string

from worker import framework
from worker.conformance.judged import Judged

SIGNALS = {
    "enqueued": framework.task_enqueued,
    "started": framework.task_started,
    "finished": framework.task_finished,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid and item.get_closest_marker("django_db") is None and __package__ in _module_of(item):
            item.add_marker(pytest.mark.django_db(transaction=True, databases="__all__"))


@pytest.fixture(autouse=True)
def judged(request: pytest.FixtureRequest) -> Judged:
    config = request.config
    path = config.getoption("--tasks-drain")
    one = Judged(
        config.getoption("--tasks-backend"),
        import_string(path) if path else None,
        config.getoption("--tasks-drain-limit"),
    )
    for marker in request.node.iter_markers("needs"):
        if not getattr(one.backend, marker.args[0]):
            pytest.skip(f"it does not say {marker.args[0]}")
    return one


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Any, str, str]]]:
    """Signals of the framework in this process: name, sender, id and status at that time."""
    told: list[tuple[str, Any, str, str]] = []

    def receiver(name: str) -> Any:
        return lambda sender, task_result, **_: told.append((name, sender, task_result.id, str(task_result.status)))

    receivers = {name: receiver(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(receivers[name])
    yield told
    for name, signal in SIGNALS.items():
        signal.disconnect(receivers[name])


def _module_of(item: pytest.Item) -> str:
    return getattr(getattr(item, "module", None), "__name__", "")
