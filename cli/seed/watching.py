"""Orders and welfare checks as their events tell them, read from the stream as it grows: no service is asked."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import nats
from nats.aio.client import Client as NatsClient

from cli.seed.errors import NotHeard
from contracts.envelope import decode
from eventstore.stream_reader import StreamReader, StreamUnreadable
from eventstore.tasks import end
from services.orders.decider import welfare_check
from services.orders.decider.evolve import evolve
from services.orders.decider.state import Order
from services.orders.decider.welfare_check import WelfareCheck

LOOK_SECONDS = 0.01


class Watch:
    """Follows the orders of a community, for `async with`. `arguments` are those of nats.connect, for the auditor.

    `api`: what JetStream's API is called for them.
    """

    def __init__(self, arguments: Mapping[str, Any], api: str, patience_seconds: float) -> None:
        self._arguments = arguments
        self._api = api
        self._patience = patience_seconds
        self._nats: NatsClient | None = None
        self._following: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._broken: Exception | None = None
        self._last_trouble = ""
        self.position = 0
        """How far the stream was heard."""
        self.orders: dict[UUID, Order] = {}
        self.checks: dict[UUID, WelfareCheck] = {}

    async def __aenter__(self) -> Self:
        for_as_long_as_it_takes = {"allow_reconnect": True, "max_reconnect_attempts": -1, "reconnect_time_wait": 0.5}
        self._nats = await nats.connect(**{**self._arguments, **for_as_long_as_it_takes}, error_cb=self._trouble)
        self._following = asyncio.create_task(self._follow(self._nats), name="watch orders")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._following is not None:
            await end([self._following])
        if self._nats is not None:
            await self._nats.close()

    async def heard(self, position: int) -> None:
        """Return once the stream was heard up to a position. Raises NotHeard."""
        await self._until(lambda: self.position >= position, f"orders/{position}")

    async def order(self, order_id: UUID, position: int) -> Order:
        """An order as of `position` or later. Raises NotHeard."""
        await self.heard(position)
        return self.orders[order_id]

    async def comes_to(self, order_id: UUID, *states: str) -> Order:
        """Wait, in real time, until a service has brought the order to one of these states. Raises NotHeard."""
        return await self.turns(order_id, " or ".join(states), lambda order: order.state in states)

    async def turns(self, order_id: UUID, what: str, is_so: Callable[[Order], bool]) -> Order:
        """Wait, in real time, until a service has brought it about that something is so. Raises NotHeard."""
        order_no = self.orders[order_id].order_no
        await self._until(lambda: is_so(self.orders[order_id]), f"order {order_no} as {what}")
        return self.orders[order_id]

    async def check_rises(self, check_id: UUID, level: int) -> None:
        """Wait, in real time, until a welfare check without an outcome has come to a level. Raises NotHeard."""

        def risen() -> bool:
            check = self.checks.get(check_id)
            return check is not None and check.level >= level

        await self._until(risen, f"welfare check {check_id} at level {level}")

    async def _trouble(self, error: Exception) -> None:
        """NATS is away, or was: it is connected to and read on from where it was; only who waits too long is told."""
        self._last_trouble = f"; the last trouble was {error!r}"

    async def _until(self, came: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(self._patience):
                while not came():
                    if self._broken is not None:
                        raise self._broken
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise NotHeard(
                f"{what} was not heard of within {self._patience:.0f} s; heard to {self.position}{self._last_trouble}"
            ) from None

    async def _follow(self, client: NatsClient) -> None:
        """Read on from the last event heard, for ever. The auditor may make no consumer, and needs none."""
        async with StreamReader(client, "orders", self._api) as reader:
            while self._broken is None:
                try:
                    found = await reader.read(self.position + 1)
                except StreamUnreadable as error:
                    self._last_trouble = f"; the last trouble was {error}"
                    found = []
                for message in found:
                    self._hear(message.body)
                if not found:
                    await asyncio.sleep(LOOK_SECONDS)

    def _hear(self, body: bytes) -> None:
        try:
            recorded = decode(body)
            if recorded.position > self.position:
                event: Any = recorded.event
                if recorded.stream.startswith("order-"):
                    self.orders[event.order_id] = evolve(self.orders.get(event.order_id), event)
                elif recorded.stream.startswith("welfare_check-"):
                    self.checks[event.check_id] = welfare_check.evolve(self.checks.get(event.check_id), event)
                self.position = recorded.position
        except Exception as error:  # noqa: BLE001 - told to whoever waits, since nobody looks at a task
            self._broken = error
        self._news.set()
