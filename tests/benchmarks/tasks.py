"""Tasks that do what jobs do. Apart from those of the tests, since an atomic one makes `check` warn on SQLite."""

import time
from pathlib import Path

from schedules import background
from tests.app.models import Effect


@background(atomic=True)
def leave_trace_atomically(trace: str) -> None:
    Effect.objects.create(key=trace)


@background
def leave_time(file: str) -> None:
    Path(file).write_text(str(time.monotonic()))


@background
def sleep_for(seconds: float) -> None:
    time.sleep(seconds)


@background
def reckon_for(seconds: float) -> None:
    """Use the processor for so long, however many others use it too."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@background(keep_result=True)
def keep_rows(number: int) -> list[dict[str, object]]:
    return ROWS


@background(keep_result=True)
def keep_text(number: int) -> str:
    return TEXT


ROWS: list[dict[str, object]] = [
    {"id": id, "name": f"Order {id}", "total": id * 1.25, "paid": True, "note": None} for id in range(1001, 1015)
]
TEXT = "x" * 1022
"""As JSON, each of the two has about a kibibyte."""
