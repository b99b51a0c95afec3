"""Where a process can be made to end or to stop, named by the step that was taken last. Set from outside.

Product code knows nothing of this: `doomed` sets all of these before it becomes the service, and a test arms one.
"""

import functools
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
from nats.aio.client import Client

import eventstore.relay
import servicekit.http
from eventstore import streams
from eventstore.checkpoint import Signer
from eventstore.consumer import Consumer
from eventstore.executor import Executor
from eventstore.log import Log
from eventstore.log.session import Session
from eventstore.model import Append
from eventstore.timers import Timer

Strike = Callable[[], None]
GONE_SECONDS_MAX = 2.0


class Countdown:
    """Ends this process when it was called the given number of times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Order:
    """What to do when a point is passed for the `times`th time: send `pid` (0: the process itself) a signal."""

    point: str
    times: int = 1
    number: int = signal.SIGKILL
    pid: int = 0


@dataclass
class Trap:
    """Looks into files, each time a point is passed, for an order to strike there. A file is gone once it was obeyed.

    Whoever takes the file away obeys: of several processes that look into one file, one.
    """

    files: Sequence[Path]
    _passed: dict[tuple[Path, str], int] = field(default_factory=dict)

    def passed(self, point: str) -> None:
        """Called at each point."""
        for file in self.files:
            try:
                text = file.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            order = Order(**json.loads(text))
            if order.point != point:
                continue
            key = (file, text)
            self._passed[key] = self._passed.get(key, 0) + 1
            if self._passed[key] >= order.times:
                self._obey(file, order)

    def _obey(self, file: Path, order: Order) -> None:
        try:
            file.unlink()
        except FileNotFoundError:
            return  # another process was first
        try:
            victim = psutil.Process(order.pid or os.getpid())
            children = victim.children(recursive=True)
            victim.send_signal(order.number)
        except psutil.NoSuchProcess:
            return  # it has ended meanwhile, by an order before this one
        if order.number == signal.SIGKILL:
            # PostgreSQL's children outlive it by a moment, and would still carry out what is sent next.
            psutil.wait_procs(children, GONE_SECONDS_MAX)

    def set_all(self, service: str) -> None:
        """Put the trap at every point of this process, which is about to become a service."""
        for point in points_of(service):
            POINTS[point](lambda point=point: self.passed(point))  # type: ignore[misc]


def arm(file: Path, order: Order) -> None:
    """Have whoever looks into this file obey, from the next point on."""
    new = file.with_suffix(".new")
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_text(json.dumps(asdict(order)), encoding="utf-8")
    new.replace(file)


def before(owner: Any, name: str, strike: Strike, when: Callable[..., bool] = lambda *_: True) -> None:
    """Strike when an async function is called and `when(*arguments)`."""
    original = getattr(owner, name)

    @functools.wraps(original)
    async def patched(*arguments: Any, **options: Any) -> Any:
        if when(*arguments):
            strike()
        return await original(*arguments, **options)

    setattr(owner, name, patched)


def after(owner: Any, name: str, strike: Strike, when: Callable[..., bool] = lambda *_: True) -> None:
    """Strike when an async function has returned and `when(answer, *arguments)`."""
    original = getattr(owner, name)

    @functools.wraps(original)
    async def patched(*arguments: Any, **options: Any) -> Any:
        answer = await original(*arguments, **options)
        if when(answer, *arguments):
            strike()
        return answer

    setattr(owner, name, patched)


def before_plain(owner: Any, name: str, strike: Strike) -> None:
    """Strike when a plain function is called."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def patched(*arguments: Any, **options: Any) -> Any:
        strike()
        return original(*arguments, **options)

    setattr(owner, name, patched)


def after_plain(owner: Any, name: str, strike: Strike) -> None:
    """Strike when a plain function has returned."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def patched(*arguments: Any, **options: Any) -> Any:
        answer = original(*arguments, **options)
        strike()
        return answer

    setattr(owner, name, patched)


def in_a_batch(strike: Strike) -> None:
    """Strike with part of an atomic batch at the server."""
    original = Client.publish

    @functools.wraps(original)
    async def publish(self: Client, *arguments: Any, **options: Any) -> None:
        await original(self, *arguments, **options)
        if (options.get("headers") or {}).get("Nats-Batch-Sequence") == "7":
            await self.flush()
            strike()

    Client.publish = publish  # type: ignore[method-assign]


def _of_sender(owner: str, name: str) -> Callable[[Strike], None]:
    def put(strike: Strike) -> None:
        # Only notify has these; the others need not load it.
        senders = import_module("services.notify.senders.notices")
        after(getattr(senders, owner), name, strike)

    return put


def _a_step(_executor: Executor, append: Append, *_: Any) -> bool:
    return append.step is not None


def _something(answer: Any, *_: Any) -> bool:
    return bool(answer)


def _in_transaction(_answer: Any, session: Session, *_: Any) -> bool:
    return bool(session.connection.is_in_transaction())


POINTS: dict[str, Callable[[Strike], None]] = {
    "writer: before the append": lambda strike: before(Session, "append", strike),
    "writer: head locked, not committed": lambda strike: after(Session, "append", strike, _in_transaction),
    "writer: all written, not committed": lambda strike: after(Session, "write_beside", strike),
    "writer: committed, nobody answered": lambda strike: before_plain(Log, "_committed", strike),
    "http: committed, not answered": lambda strike: before_plain(servicekit.http, "answer", strike),
    "relay: stream made": lambda strike: after(streams, "ensure_stream", strike, lambda ensured, *_: ensured.created),
    "relay: before a publish": lambda strike: before(eventstore.relay, "publish", strike),
    "relay: half a batch sent": in_a_batch,
    "relay: published": lambda strike: after(eventstore.relay, "publish", strike),
    "relay: durable made": lambda strike: after(streams, "ensure_durable", strike),
    "relay: durables made again": lambda strike: after(
        streams, "restore_durables", strike, lambda made, *_: bool(made)
    ),
    "relay: durables noted": lambda strike: after(streams, "record_durables", strike),
    "consumer: fetched": lambda strike: before(Consumer, "_on_batch", strike),
    "consumer: decided": lambda strike: before(Executor, "append", strike, _a_step),
    "consumer: committed": lambda strike: after(Executor, "append", strike, lambda _, *arguments: _a_step(*arguments)),
    "consumer: acknowledged": lambda strike: after(Consumer, "_acknowledge", strike),
    "timer: before it fires": lambda strike: before(Timer, "_fire", strike),
    "timer: fired": lambda strike: after(Timer, "_fire", strike),
    "sender: attempt recorded": _of_sender("Sender", "_attempt"),
    "sender: handed over, not recorded": _of_sender("Console", "hand_over"),
    "signer: before the head is written": lambda strike: before_plain(Signer, "_write", strike),
    "signer: head written": lambda strike: after_plain(Signer, "_write", strike),
}


def points_of(service: str) -> list[str]:
    """The points that processes of a service come to, the sender's only in notify."""
    return [point for point in POINTS if service == "notify" or not point.startswith("sender:")]
