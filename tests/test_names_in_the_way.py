"""A file of a project that has the name of one of our packages is found in place of it: a sentence names the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
INSTALLED_APPS = ["shop", "schedules", "worker"]
SECRET_KEY = "only for this test"
"""
TASKS = "from schedules import background\n\n@background\ndef report(): ...\n"
HARM = "raise RuntimeError('it was imported')"


@pytest.mark.parametrize("file", ["worker.py", "worker/__init__.py", "schedules.py", "schedules/__init__.py"])
@pytest.mark.parametrize("command", ["check", "process_tasks"])
def test_what_stands_in_the_way_of_our_packages_is_named(tmp_path: Path, file: str, command: str) -> None:
    harm = HARM if file.startswith("worker") else ""
    for name, text in {"project.py": SETTINGS, "shop/__init__.py": "", "shop/tasks.py": TASKS, file: harm}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "django", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}", "DJANGO_SETTINGS_MODULE": "project"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"ImportError: {tmp_path / file.removesuffix('/__init__.py')} ")
    assert "give it another name" in said
