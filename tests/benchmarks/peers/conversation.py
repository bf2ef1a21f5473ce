"""The driver's side of the talk with a peer: commands in processes of the peer's own environment, ended by pid.

What is asked and what the answers are worth is the business of `measures.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import chores, record, stores
from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.stores import Store
from tests.databases import name_of_this_run
from tests.servers import ROOT

LONGEST_ANSWER = 180.0
_TO_END = 5.0


class Failure(Exception):
    """A peer did not do what was asked, or not once."""


@dataclass(frozen=True)
class Talk:
    """With one contender about one set of stores."""

    module: str
    python: Path
    variables: dict[str, str]
    notes: Path

    def ask(self, command: str, *numbers: float) -> dict[str, Any]:
        """Run a command and give its answer. Raises Failure."""
        process = self._start(command, *numbers)
        try:
            output, _ = process.communicate(timeout=LONGEST_ANSWER)
        except subprocess.TimeoutExpired:
            raise Failure(f"{command} took more than {LONGEST_ANSWER:.0f} s") from None
        finally:
            _end(process)
        if process.returncode != 0:
            raise Failure(f"{command} ended with {process.returncode}: {self._complaint()}")
        return _last_line(output)

    @contextmanager
    def running(self, command: str, *numbers: float, processes: int = 1) -> Iterator[None]:
        """Let processes of this command work for as long as the block runs. They are let go at the same time."""
        with ExitStack() as ends:
            started = [self._start(command, *numbers) for _ in range(processes)]
            for each in started:
                ends.callback(_end, each)
            for each in started:
                if not (each.stdout and each.stdout.readline()):
                    raise Failure(f"{command} did not start: {self._complaint()}")
            for each in started:
                assert each.stdin
                each.stdin.write("go\n")
                each.stdin.flush()
            yield

    def wait_for(self, jobs: int, within: float) -> None:
        """Until so many jobs have run and nothing is left of them in the store. Raises Failure."""
        deadline = time.monotonic() + within
        while record.count(self.notes) < jobs:
            if time.monotonic() > deadline:
                raise Failure(f"{record.count(self.notes):,} of {jobs:,} jobs within {within:.0f} s")
            time.sleep(0.02)
        while left := self.ask("left")["left"]:
            if time.monotonic() > deadline:
                raise Failure(f"{left:,} jobs are left in the store after {within:.0f} s")

    def _start(self, command: str, *numbers: float) -> subprocess.Popen[str]:
        with (self.notes / "errors").open("ab") as errors:
            return subprocess.Popen(
                [self.python, "-m", "tests.benchmarks.peers.perform", self.module, command, *map(repr, numbers)],
                cwd=ROOT,
                env={**os.environ, **self.variables, record.FOLDER: str(self.notes)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def _complaint(self) -> str:
        lines = (self.notes / "errors").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


class Table:
    """A contender's place: its stores, prepared once for each purpose, and a new copy of them for each run."""

    def __init__(self, contender: Contender, python: Path, kinds: dict[str, Store], while_needed: ExitStack) -> None:
        self.contender = contender
        self._python = python
        self._stores = [kinds[kind] for kind in contender.stores]
        self._while_needed = while_needed
        self._originals: dict[str, list[str]] = {}

    @contextmanager
    def laid(self, preparation: str = "prepare", *numbers: float, chore: str = chores.NOTHING) -> Iterator[Talk]:
        """A talk about new stores, in which the queue is prepared, and whose jobs do this chore."""
        if preparation not in self._originals:
            self._originals[preparation] = self._prepare(preparation, numbers)
        with ExitStack() as ends:
            yield self._talk(self._lend(ends, "run", self._originals[preparation]), ends, chore)

    def settle(self) -> None:
        for store in self._stores:
            store.settle(self._name("run"))

    def _prepare(self, preparation: str, numbers: tuple[float, ...]) -> list[str]:
        lent = self._lend(self._while_needed, preparation, [None] * len(self._stores))
        with ExitStack() as ends:
            talk = self._talk(lent, ends)
            talk.ask("prepare")
            if preparation != "prepare":
                talk.ask(preparation, *numbers)
        return [self._name(preparation)] * len(self._stores)

    def _lend(self, ends: ExitStack, role: str, originals: Sequence[str | None]) -> list[str]:
        """Returns what each store's variable should say."""
        return [
            ends.enter_context(stores.lent(store, self._name(role), original))
            for store, original in zip(self._stores, originals, strict=True)
        ]

    def _talk(self, values: list[str], ends: ExitStack, chore: str = chores.NOTHING) -> Talk:
        notes = Path(tempfile.mkdtemp(prefix="carillon-peers-"))
        ends.callback(shutil.rmtree, notes)
        variables = {store.variable: value for store, value in zip(self._stores, values, strict=True)}
        variables[chores.VARIABLE] = chore
        return Talk(self.contender.module, self._python, variables, notes)

    def _name(self, role: str) -> str:
        letters = "".join(filter(str.isalnum, self.contender.name.lower()))
        return f"{name_of_this_run()}_{letters}_{role}"


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _last_line(output: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer
