"""Sleeping until a file is written: a write ends the sleep, and whoever hears of none looks now and then."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from worker.wakeup import file_watch
from worker.wakeup.file_watch import FileWatch


def test_without_writes_and_without_a_file_it_looks_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "SEEN_WITHIN", 0.0)
    monkeypatch.setattr(file_watch, "LOOK_AT_LEAST_EVERY", 0.001)
    quiet = tmp_path / "quiet"
    quiet.touch()
    for path in (quiet, tmp_path / "missing"):
        with FileWatch([str(path)]) as watch:
            watch.wait()


def test_what_is_written_while_it_looks_is_not_slept_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watch, "SEEN_WITHIN", 0.0)
    monkeypatch.setattr(file_watch, "LOOK_AT_LEAST_EVERY", 3600.0)
    path = tmp_path / "file"
    path.touch()
    with FileWatch([str(path)]) as watch:
        path.write_text("news")
        waiter = threading.Thread(target=watch.wait, daemon=True)
        waiter.start()
        waiter.join(timeout=10)

    assert not waiter.is_alive()
