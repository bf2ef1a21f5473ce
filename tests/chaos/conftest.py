"""What the acceptance runs may ask for, besides what every test may, and what they tell in the end."""

from __future__ import annotations

import pytest

from tests.chaos import figures
from tests.chaos.crew import Crew
from tests.processes import StartProcess


@pytest.fixture
def crew(process: StartProcess) -> Crew:
    return Crew(process)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in figures.told:
        terminalreporter.write_line(line)
