"""Tasks of Django's framework that return what those of `tasks.py` return."""

from tests.benchmarks.tasks import ROWS, TEXT
from worker.backends import task


@task
def nothing(number: int) -> None:
    pass


@task
def give_rows(number: int) -> list[dict[str, object]]:
    return ROWS


@task
def give_text(number: int) -> str:
    return TEXT
