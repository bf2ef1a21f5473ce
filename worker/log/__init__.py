"""The log: it makes a line of each event, for the project's LOGGING, and for people who watch a process.

What is said, and how, is decided in `jobs` and `processes`, by a `Speaker` each. Elsewhere nobody writes to a log. In a
process that runs jobs a thread of its own writes the lines (`writer`), so that nobody waits for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from worker.log import jobs, writer
from worker.log import processes as processes  # it hears the signals
from worker.log.shown import show as show
from worker.log.speaker import Speaker as Speaker


@contextmanager
def writing() -> Iterator[None]:
    """Within, a thread writes what is said anywhere in this process, and says which jobs run for long.

    At the end all of it is written, as far as the log takes it.
    """
    with writer.writing(jobs.say_which_run):
        yield
    jobs.forget_starts()
