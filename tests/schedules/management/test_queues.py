"""`process_tasks --queue`: a list is hardly ever the name of a queue, and whoever writes one is told."""

from __future__ import annotations

import pytest

from tests.processes import StartProcess

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.once
def test_a_list_of_queues_is_doubted_once_and_the_command_that_would_serve_them_is_told(process: StartProcess) -> None:
    for flags in (["--until-idle"], ["--until-idle", "--processes", "2"]):
        worker = process("process_tasks", "--queue", "mail, slow", *flags)

        assert worker.wait(within=60) == 0
        said = '--queue "mail, slow" is the name of one queue. For several, write --queue mail --queue slow.'
        assert worker.output.count(said) == 1
