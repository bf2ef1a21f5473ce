"""Tasks that are coroutine functions: not every backend has them, so nothing else imports this module."""

from __future__ import annotations

import asyncio
from typing import Any

from worker.conformance.tasks import declared


@declared()
async def give_back(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@declared()
async def fail(message: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(message)


@declared(takes_context=True)
async def tell(context: Any) -> list[Any]:
    return [context.attempt, context.task_result.id]
