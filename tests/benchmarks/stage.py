"""One benchmark, in this process, on a new database with our tables: `python -m tests.benchmarks.stage MODULE RUNS`.

A benchmark module has `main(runs)`, and `DATABASES`, the kinds that it has something to say about, if not all.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.test.utils import setup_databases, teardown_databases

from tests.databases import url_of_this_run


def main(module: str, runs: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.settings"
    url = urlsplit(url_of_this_run())
    if url.scheme == "sqlite":
        Path(url.path).parent.mkdir(parents=True, exist_ok=True)
    django.setup()
    benchmark = import_module(f"tests.benchmarks.{module}")
    if url.scheme not in getattr(benchmark, "DATABASES", {url.scheme}):
        return
    created = setup_databases(verbosity=0, interactive=False)
    try:
        benchmark.main(runs)
    finally:
        teardown_databases(created, verbosity=0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
