"""`process_tasks --reload`: it begins anew when code changes, for people who write tasks."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from tests.processes import StartProcess, eventually

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.once
def test_a_worker_begins_anew_when_code_changes(process: StartProcess, tmp_path: Path) -> None:
    # A module that Python imports at its start wherever it is found, so no file of this project has to change.
    module = tmp_path / "sitecustomize.py"
    module.write_text("")
    versions = count(1)
    worker = process("process_tasks", "--reload", environment={"PYTHONPATH": str(tmp_path)})
    eventually(lambda: " started: " in worker.output, within=30)

    def begins_anew() -> bool:
        module.write_text(f"version = {next(versions)}")  # until somebody watches the file
        return worker.output.count(" started: ") > 1

    eventually(begins_anew, within=30)
