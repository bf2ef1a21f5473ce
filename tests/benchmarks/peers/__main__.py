"""Measure other queues beside ours.

    python -m tests.benchmarks.peers [CONTENDER]… [--measure NAME]… [--runs N] [--lock FILE]

Decides the order: in each round every contender has its turn, so that a noisy machine is noisy for all of them. What
cannot be had, or does not do the work, is left out and said.
"""

from __future__ import annotations

import argparse
import fcntl
import math
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from types import FrameType
from typing import NoReturn

from tests.benchmarks.peers import stores
from tests.benchmarks.peers.contenders import CONTENDERS
from tests.benchmarks.peers.conversation import Failure, Table
from tests.benchmarks.peers.environments import python_of
from tests.benchmarks.peers.measures import NAMES, Measure, Samples, chosen
from tests.benchmarks.peers.report import caveats, summary, table
from tests.servers import Unavailable

_LONG_HELD = 80.0
"""Seconds after which the lock is given back at the end of a round."""


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    with ExitStack() as while_needed:
        tables = list(_tables(options.names, while_needed))
        measured: dict[Measure, Mapping[str, Samples]] = {}
        for measure in chosen(options.measure or []):
            measured[measure] = _alternate(measure, tables, options.runs, options.lock)
            print("\n".join(["", *table(measure, measured[measure], options.runs)]), flush=True)
        print("\n".join(summary(measured)))
        print("\n".join(caveats(each.contender.name for each in tables)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description="Measure beside others.")
    parser.add_argument("names", nargs="*", metavar="CONTENDER", help="who, beside ours (all)")
    parser.add_argument(
        "--measure", action="append", choices=NAMES, metavar="NAME", help=f"repeatable; one of: {', '.join(NAMES)}"
    )
    parser.add_argument("--runs", type=int, default=5, help="of each contender, alternating (5)")
    parser.add_argument("--lock", type=Path, help="a file to lock while measuring, where others measure too")
    options = parser.parse_args()
    names = {each.name for each in CONTENDERS}
    if unknown := set(options.names) - names:
        parser.error(f"there is no contender {', '.join(sorted(unknown))}; there are: {', '.join(sorted(names))}")
    return options


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave as after Ctrl-C: through every `finally`, so that nothing is left behind."""
    raise KeyboardInterrupt


def _tables(names: list[str], while_needed: ExitStack) -> Iterator[Table]:
    kinds: dict[str, stores.Store] = {}
    for each in CONTENDERS:
        if names and not each.is_ours and each.name not in names:
            continue
        try:
            for kind in set(each.stores) - set(kinds):
                kinds[kind] = stores.find(kind, while_needed)
            yield Table(each, python_of(each.environment), kinds, while_needed)
        except Unavailable as reason:
            print(f"{each.name}: not measured ({reason})", flush=True)


def _alternate(measure: Measure, tables: list[Table], runs: int, lock: Path | None) -> dict[str, Samples]:
    results: dict[str, Samples] = {each.contender.name: {} for each in tables if measure.concerns(each.contender)}
    for _ in _rounds(runs, lock):
        for each in tables:
            if each.contender.name in results:
                _take(measure, each, results)
    return results


def _rounds(runs: int, lock: Path | None) -> Iterator[int]:
    """One after the other, under a lock that others may have between two rounds."""
    with ExitStack() as held:
        until = -math.inf
        for number in range(runs):
            if time.monotonic() > until:
                held.close()
                held.enter_context(_locked(lock))
                until = time.monotonic() + _LONG_HELD
            yield number


def _take(measure: Measure, table: Table, results: dict[str, Samples]) -> None:
    """One run. A contender that fails once has no result."""
    name = table.contender.name
    try:
        samples = measure.take(table)
    except Failure as reason:
        print(f"{measure.name}, {name}: left out ({reason})", flush=True)
        del results[name]
        return
    print(f"{measure.name}, {name}:", *(f"{median(each):,.1f} {unit}" for unit, each in samples.items()), flush=True)
    for unit, taken in samples.items():
        results[name].setdefault(unit, []).extend(taken)


@contextmanager
def _locked(lock: Path | None) -> Iterator[None]:
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
