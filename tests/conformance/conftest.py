"""What the tests of queue and worker may ask for, besides what every test may."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.worker.process.workers import Crew, crew_of_test


@pytest.fixture
def crew(database: None) -> Iterator[Crew]:
    """Workers against the test database; all of them end with the test."""
    with crew_of_test() as crew:
        yield crew
