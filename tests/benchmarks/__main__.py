"""Measure, on every database that can be had here.

    python -m tests.benchmarks [NAME]… [--database NAME]… [--runs N]

Decides what is measured where. Each benchmark runs in a process of its own, on a new database (`stage.py`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests import servers
from tests.databases import VARIABLE, name_of_this_run

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure, side by side.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure (all): {', '.join(NAMES)}")
    parser.add_argument("--database", action="append", choices=servers.KINDS, help="only this one; repeatable")
    parser.add_argument("--runs", type=int, default=5, help="of each contender, alternating (5)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    failures = 0
    for kind in options.database or servers.KINDS:
        with ExitStack() as while_needed:
            try:
                server = servers.find(kind, while_needed, install_driver=True)
            except servers.Unavailable as reason:
                print(f"\n{kind}: not measured ({reason})")
                continue
            print(f"\n{server.version}", flush=True)
            failures += sum(_fails(name, server, options.runs) for name in options.names or NAMES)
    return int(failures > 0)


def _fails(name: str, server: servers.Server, runs: int) -> bool:
    database = name_of_this_run()
    environment = {**os.environ, VARIABLE: server.url(database)}
    try:
        command = [sys.executable, "-m", "tests.benchmarks.stage", f"bench_{name}", str(runs)]
        return subprocess.run(command, env=environment, check=False).returncode != 0
    finally:
        server.drop(database)


if __name__ == "__main__":
    sys.exit(main())
