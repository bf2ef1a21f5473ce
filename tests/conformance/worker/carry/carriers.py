"""A carrier of a context variable, one that fails as it is told, and tasks that tell where they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection
from django.utils import timezone, translation

from schedules import background
from tests.app.models import Effect
from worker.backends import task

tenant: ContextVar[Any] = ContextVar("tenant", default=None)
blocks: list[str] = []
"""What carriers have begun and ended."""


class Tenant:
    """Carries the tenant."""

    key = "tenant"

    def capture(self) -> Any:
        return tenant.get()

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        before = tenant.set(value)
        blocks.append("tenant begins")
        try:
            yield
        finally:
            blocks.append("tenant ends")
            tenant.reset(before)


class Failing:
    """Fails where it is told to."""

    key = "failing"

    def __init__(self, at: str, error: BaseException | None = None, value: Any = 1) -> None:
        self.at = at
        self.error = error or LookupError("the tenant is gone")
        self.value = value

    def capture(self) -> Any:
        self._fail("capture")
        return self.value

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        self._fail("begin")
        try:
            yield
        except ArithmeticError:
            if self.at != "swallow":
                raise
        self._fail("end")

    def _fail(self, at: str) -> None:
        if at == self.at:
            raise self.error


class RaisesAnew:
    """A block that some write by hand: it raises the error of what was in it, where it need only let it pass."""

    key = "anew"

    def capture(self) -> Any:
        return 1

    def restore(self, value: Any) -> RaisesAnew:
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            raise error


def _where() -> list[Any]:
    return [tenant.get(), translation.get_language(), timezone.get_current_timezone_name()]


@background(keep_result=True, max_attempts=2, backoff=[0])
def tell_where(*given: Any) -> list[Any]:
    return _where()


@background(keep_result=True, atomic=True)
def tell_where_atomically() -> list[Any]:
    Effect.objects.create(key=str(tenant.get()))
    return [connection.in_atomic_block, *_where()]


@background(max_attempts=2, backoff=[0])
def fail_at_first() -> None:
    Effect.objects.create(key=str(tenant.get()))
    if Effect.objects.count() == 1:
        raise ArithmeticError


@task
def tell_where_as_task() -> list[Any]:
    return _where()


@task
async def tell_where_asynchronously() -> list[Any]:
    return _where()
