"""--reload: when code changes, a process stops cleanly, and a new one takes its place.

The process itself looks for changes, because it knows what it has loaded. Its supervisor starts the new one.
"""

from __future__ import annotations

import sysconfig
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.utils import autoreload

CHANGED = 75
"""The exit code of a process that ends because its code has changed: that of mailers which ask to be tried again."""
WAITS = "The process has failed. It starts again when code is saved.\n"


def when_changed(then: Callable[[], None]) -> None:
    """Call this, in a thread, when code that this process has loaded changes. Once."""

    def watch() -> None:
        try:
            autoreload.get_reloader().run(threading.main_thread())
        except SystemExit:  # its way to say so
            then()

    threading.Thread(target=watch, name="carillon-reloading", daemon=True).start()


def code() -> dict[Path, int]:
    """When each file of the project's code was last written, those included that nothing has loaded yet."""
    return {file: written for folder in _folders() for file in folder.glob("*.py") if (written := _written(file))}


def _folders() -> set[Path]:
    """Where modules of the project lie. What is installed beside Python is not being worked on."""
    installed = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    loaded = {file.parent for file in autoreload.iter_all_python_module_files()}
    return {folder for folder in loaded if installed.isdisjoint((folder, *folder.parents))}


def _written(file: Path) -> int | None:
    with suppress(OSError):
        return file.stat().st_mtime_ns
    return None
