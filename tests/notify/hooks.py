"""notify with orders beside it, on real servers: what webhooks are tested on."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from contracts.command import Role
from contracts.event import Event
from contracts.orders import ServiceItemRetired
from eventstore.broker import Connection
from eventstore.consumer import Consumer
from eventstore.deliveries import deliveries
from eventstore.log import Log
from eventstore.model import Append, StreamAppend
from eventstore.relay import Relay
from services.notify import reactions
from services.notify.app import definition
from services.notify.senders.posting import Poster
from services.notify.senders.webhooks import Deliverer
from tests.notify.desk import Desk, SetClock
from tests.notify.examples import ZHAO
from tests.notify.receiver import Receiver, receiving
from tests.servicekit.world import Template, served
from tests.support.logs import BY_TEST, declined, migrated, opened, stream
from tests.support.messaging import connected, running
from tests.support.servers import TestNats
from tests.support.waiting import eventually

DECLINED = "orders.OfferDeclined"
RETIRED = "orders.ServiceItemRetired"
LANE_WAIT = 60.0


def retired() -> ServiceItemRetired:
    return ServiceItemRetired(
        item_id=uuid4(), item_code="haircut", item_version=1, retired_at=datetime(2026, 3, 5, tzinfo=UTC)
    )


class Hooks:
    """orders says things, notify sends them on."""

    def __init__(self, desk: Desk, orders: Log, nats: TestNats, connection: Connection) -> None:
        self.desk, self.orders, self.nats, self.connection = desk, orders, nats, connection
        self.real = SetClock(datetime.now(UTC))
        self.receiver: Receiver

    def deliverer(self, **options: Any) -> Deliverer:
        """One with nothing in its memory, as after a start."""
        return Deliverer(self.desk.runtime, self.connection, Poster(private=True, **options), self.real)

    @contextlib.asynccontextmanager
    async def sending(self, **options: Any) -> AsyncIterator[Deliverer]:
        deliverer = self.deliverer(**options)
        async with running(deliverer.run()):
            yield deliverer

    async def say(self, *events: Event) -> int:
        """Have orders say something, heard by notify; the log's size."""
        for event in events:
            await self.orders.append(Append([StreamAppend(stream(), 0, [event])], BY_TEST))
        return await self.heard()

    async def heard(self) -> int:
        size = (await self.orders.head()).size

        async def there() -> bool:
            return await self.desk.runtime.log.heard("orders") == size

        await eventually(there, LANE_WAIT)
        return size

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        answer = await self.desk.ask(method, path, body, ZHAO, Role.ADMIN)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def register(self, *events: str, path: str = "/", **more: Any) -> str:
        body = {"url": self.receiver.url(path), "events": list(events or [DECLINED]), **more}
        return str((await self.ask("POST", "/webhooks", body, 201))["webhook_id"])

    async def secret(self, webhook_id: str) -> dict[str, Any]:
        return await self.ask("GET", f"/webhooks/{webhook_id}/secret")

    async def webhook(self, webhook_id: str) -> dict[str, Any]:
        listed = (await self.ask("GET", "/webhooks"))["webhooks"]
        (found,) = [each for each in listed if each["webhook_id"] == webhook_id]
        return dict(found)

    async def place(self, webhook_id: str) -> Any:
        rows = await deliveries(self.desk.runtime.log.pool, "notify")
        return next((row for row in rows if row.receiver == UUID(webhook_id)), None)

    async def stands_at(self, webhook_id: str, position: int) -> None:
        async def there() -> bool:
            place = await self.place(webhook_id)
            return place is not None and place.position == position

        await eventually(there, LANE_WAIT)

    async def failing(self, webhook_id: str, failures: int) -> Any:
        """The lane's place once it failed so often."""

        async def there() -> Any:
            place = await self.place(webhook_id)
            return place if place is not None and place.failures == failures else None

        return await eventually(there, LANE_WAIT)


@contextlib.asynccontextmanager
async def hooks_on(template: Template, nats: TestNats, directory: Path) -> AsyncIterator[Hooks]:
    """Everything started but the deliverer."""
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(template.copied(directory))
        orders = await stack.enter_async_context(opened(await migrated(world.database, "orders")))
        given = {"nats_url": nats.url, "webhook_private": "allowed"}
        desk = Desk(await stack.enter_async_context(served(world, definition, **given)))
        ours = await stack.enter_async_context(connected(nats, "orders"))
        relay = Relay(orders, ours, poll_seconds=0.02, check_seconds=0.3, record_seconds=0.1)
        relay.attach()
        _ = await stack.enter_async_context(running(relay.run()))
        connection = await stack.enter_async_context(connected(nats, "notify"))
        consumer = Consumer(desk.runtime.executor, reactions.orders, connection, desk.clock, vault=desk.runtime.vault)
        _ = await stack.enter_async_context(running(consumer.run()))
        hooks = Hooks(desk, orders, nats, connection)
        hooks.receiver = await stack.enter_async_context(receiving())
        yield hooks


__all__ = ["DECLINED", "LANE_WAIT", "RETIRED", "Hooks", "declined", "hooks_on", "retired"]
