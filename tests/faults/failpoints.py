"""Where a process can be made to end or to stop, named by the step that was taken last. Set from outside.

Product code knows nothing of this: `doomed` sets one of these before it becomes the service.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from nats.aio.client import Client

import eventstore.relay
import servicekit.http
from eventstore import streams
from eventstore.checkpoint import Signer
from eventstore.consumer import Consumer
from eventstore.executor import Executor
from eventstore.log import Log
from eventstore.log.session import Session
from eventstore.timers import Timer

Strike = Callable[[], None]


class Countdown:
    """Sends this process a signal when it was called the given number of times."""

    def __init__(self, times: int, number: signal.Signals = signal.SIGKILL) -> None:
        self.left = times
        self._number = number

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self._number)


def before(owner: Any, name: str, strike: Strike) -> None:
    """Strike when an async function is called."""
    original = getattr(owner, name)

    async def patched(*arguments: Any, **options: Any) -> Any:
        strike()
        return await original(*arguments, **options)

    setattr(owner, name, patched)


def after(owner: Any, name: str, strike: Strike, when: Callable[..., bool] = lambda *_: True) -> None:
    """Strike when an async function has returned and `when(answer, *arguments)`."""
    original = getattr(owner, name)

    async def patched(*arguments: Any, **options: Any) -> Any:
        answer = await original(*arguments, **options)
        if when(answer, *arguments):
            strike()
        return answer

    setattr(owner, name, patched)


def before_plain(owner: Any, name: str, strike: Strike) -> None:
    """Strike when a plain function is called."""
    original = getattr(owner, name)

    def patched(*arguments: Any, **options: Any) -> Any:
        strike()
        return original(*arguments, **options)

    setattr(owner, name, patched)


def after_plain(owner: Any, name: str, strike: Strike) -> None:
    """Strike when a plain function has returned."""
    original = getattr(owner, name)

    def patched(*arguments: Any, **options: Any) -> Any:
        answer = original(*arguments, **options)
        strike()
        return answer

    setattr(owner, name, patched)


def in_a_batch(strike: Strike) -> None:
    """Strike with part of an atomic batch at the server."""
    original = Client.publish

    async def publish(self: Client, subject: str, payload: bytes = b"", **options: Any) -> None:
        await original(self, subject, payload, **options)
        if (options.get("headers") or {}).get("Nats-Batch-Sequence") == "7":
            await self.flush()
            strike()

    Client.publish = publish  # type: ignore[method-assign,assignment]


def _in_transaction(_answer: Any, session: Session, *_: Any) -> bool:
    return bool(session.connection.is_in_transaction())


POINTS: dict[str, Callable[[Strike], None]] = {
    "writer: before the append": lambda strike: before(Session, "append", strike),
    "writer: head locked, not committed": lambda strike: after(Session, "append", strike, _in_transaction),
    "writer: committed, nobody answered": lambda strike: before_plain(Log, "_committed", strike),
    "http: committed, not answered": lambda strike: before_plain(servicekit.http, "answer", strike),
    "relay: stream made": lambda strike: after(streams, "ensure_stream", strike, lambda ensured, *_: ensured.created),
    "relay: before a publish": lambda strike: before(eventstore.relay, "publish", strike),
    "relay: half a batch sent": in_a_batch,
    "relay: published": lambda strike: after(eventstore.relay, "publish", strike),
    "relay: durable made": lambda strike: after(streams, "ensure_durable", strike),
    "consumer: fetched": lambda strike: before(Consumer, "_on_batch", strike),
    "consumer: decided": lambda strike: before(Executor, "append", strike),
    "consumer: committed": lambda strike: after(Executor, "append", strike),
    "consumer: acknowledged": lambda strike: after(Consumer, "_acknowledge", strike),
    "timer: before it fires": lambda strike: before(Timer, "_fire", strike),
    "timer: fired": lambda strike: after(Timer, "_fire", strike),
    "signer: before the head is written": lambda strike: before_plain(Signer, "_write", strike),
    "signer: head written": lambda strike: after_plain(Signer, "_write", strike),
}
