"""A reader of a feed, as strangers write one: it knows HTTP and the format of server-sent events, nothing of ours."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from servicekit.process import ServiceProcess
from servicekit.settings import ServiceSettings
from servicekit.subscribers import Registry, Subscriber, key_sha256, new_feed_key
from tests.servicekit.sample_service import sample
from tests.servicekit.world import World
from tests.support.messaging import running
from tests.support.waiting import PATIENCE_SECONDS, eventually

BOTH = ("orders.ServiceItemPublished", "orders.ServiceItemRetired")


def add_subscriber(settings: ServiceSettings, name: str, *events: str) -> str:
    """Write a subscriber's file as `chaoyangli subscribers add` does; its key."""
    key = new_feed_key()
    added = Subscriber(name=name, events=events, feed_key_sha256=key_sha256(key), added_at=datetime.now(UTC))
    Registry(settings.subscribers).write(added)
    return key


def code_of(number: int) -> str:
    """A code of letters for a number."""
    return "item-" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


@dataclass
class Publisher:
    """The sample service behind a port of its own. NATS is away, and nothing here needs it."""

    world: World
    settings: ServiceSettings
    process: ServiceProcess
    stop: asyncio.Event
    client: httpx.AsyncClient
    items: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    async def publish(self, count: int) -> None:
        for number in range(len(self.items), len(self.items) + count):
            body = {"item_code": code_of(number), "minutes": 30}
            answer = await self.client.post("/v1/items", json=body, headers=self.world.headers())
            assert answer.status_code == 201, answer.text
            self.items.append(answer.json()["item_id"])

    async def retire(self, number: int) -> None:
        answer = await self.client.post(f"/v1/items/{self.items[number]}/retire", headers=self.world.headers())
        assert answer.status_code == 200, answer.text

    async def signed(self) -> int:
        """The size of the last signed head, which feeds reach up to."""
        return int((await self.client.get("/v1/checkpoint")).text.split("\n")[1])

    async def until_signed(self, size: int) -> None:
        async def reached() -> bool:
            return await self.signed() == size

        await eventually(reached)

    async def page(self, key: str, query: str = "") -> httpx.Response:
        return await self.client.get(f"/events{query}", headers={"Authorization": f"Bearer {key}"})

    def metric(self, name: str) -> float | None:
        return self.process.metrics.registry.get_sample_value(name)


@contextlib.asynccontextmanager
async def publisher(world: World, **settings: Any) -> AsyncIterator[Publisher]:
    """Serve until the block ends, or until the test stops it."""
    definition = sample()
    given = world.settings(definition.name, **settings)
    process, stop = ServiceProcess(definition), asyncio.Event()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{given.port}", timeout=PATIENCE_SECONDS) as client:
        serving = asyncio.create_task(process.serve(stop, given))
        found = Publisher(world, given, process, stop, client)

        async def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get("/readyz")).status_code == 200
            return False

        try:
            await eventually(ready)
            yield found
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await serving


@dataclass
class Reader:
    """One open feed: what it said."""

    answer: httpx.Response
    events: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    last_id: str = ""
    ended: bool = False

    @property
    def positions(self) -> list[int]:
        return [event["position"] for event in self.events]

    async def listen(self) -> None:
        """The format's own rules (WHATWG HTML §9.2.6): an id is kept, also without data; a comment says nothing."""
        fields: dict[str, str] = {}
        async for line in self.answer.aiter_lines():
            if line == "":
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields:
                    self.bodies.append(fields["data"].encode())
                    self.events.append(json.loads(fields["data"]))
                    self.types.append(fields["event"])
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
        self.ended = True


@contextlib.asynccontextmanager
async def reading(service: Publisher, key: str, query: str = "", last_id: str = "") -> AsyncIterator[Reader]:
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    async with (
        httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", f"/events{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        reader = Reader(answer)
        async with running(reader.listen()):
            yield reader
