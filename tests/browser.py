"""A real browser for pages, where there is one: Chromium on PATH. Knows nothing of what the pages show."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str | None:
    """The browser's path; None: there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def is_required() -> bool:
    """Whether it is a failure if there is none."""
    return os.environ.get("CI") == "true"
