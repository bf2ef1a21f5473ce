from __future__ import annotations

from typing import Any

from django.apps import apps
from django_tasks import task


@task()
def index(label: str, pk: str) -> str:
    return f"indexed {apps.get_model(label).objects.get(pk=pk)}"


@task(takes_context=True, priority=5)
def tell(context: Any) -> list[Any]:
    return [context.attempt, context.task_result.status]


@task
async def publish(page: int) -> dict[str, int]:
    return {"page": page}


@task(max_attempts=2, backoff=[0])
def fail() -> None:
    raise LookupError("no such page")
