"""Ending tasks so that they have ended."""

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_SECONDS = 1.0


async def end(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel tasks and return when all are done, whatever they end with.

    A task can lose a cancellation: `asyncio.wait_for` of Python 3.11, which nats-py uses everywhere, swallows it when
    its future is done in the same moment. So they are cancelled again until they end.
    """
    owned = list(tasks)
    pending = {task for task in owned if not task.done()}
    cancelled = False
    while pending:
        for task in pending:
            task.cancel()
        try:
            _, pending = await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
        except asyncio.CancelledError:
            # The caller is cancelled too; what it owns ends first.
            cancelled = True
            pending = {task for task in pending if not task.done()}
    for task in owned:
        if not task.cancelled():
            task.exception()  # now it was seen
    if cancelled:
        raise asyncio.CancelledError


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event at most so long; whether it came."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        return False
    return True
