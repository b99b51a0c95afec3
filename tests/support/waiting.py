"""Wait for what must come, by looking again and again until a deadline; never by sleeping a fixed time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""It costs nothing where what is waited for comes, and bounds a hang on a machine that is slow and busy."""


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T]], timeout: float = ..., *, every: float = ..., what: str = ...
) -> T: ...
@overload
async def eventually(predicate: Callable[[], T], timeout: float = ..., *, every: float = ..., what: str = ...) -> T: ...
async def eventually(
    predicate: Callable[[], Any], timeout: float = PATIENCE_SECONDS, *, every: float = 0.02, what: str = ""
) -> Any:
    """Call `predicate` (plain or async) until it answers something true, and give that back.

    An AssertionError inside it means "not yet"; any other error is raised at once. After `timeout` seconds the
    last answer or the last AssertionError is told.
    """
    end = time.monotonic() + timeout
    while True:
        value: Any = None
        failure: AssertionError | None = None
        try:
            value = predicate()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
        except AssertionError as error:
            failure = error
        if time.monotonic() >= end:
            raise AssertionError(f"{what or 'what was waited for'} did not come in {timeout} s: {value!r}") from failure
        await asyncio.sleep(every)


def eventually_blocking(
    predicate: Callable[[], T | None], timeout: float = PATIENCE_SECONDS, *, every: float = 0.02, what: str = ""
) -> T:
    """The same for tests without an event loop."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"{what or 'what was waited for'} did not come in {timeout} s: {value!r}")
        time.sleep(every)
