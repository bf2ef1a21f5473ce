"""What the acceptance runs may ask for, besides what every test may."""

from __future__ import annotations

import pytest

from tests.chaos.crew import Crew
from tests.processes import StartProcess


@pytest.fixture
def crew(process: StartProcess) -> Crew:
    return Crew(process)
