"""A deployment in which a story was lived: what the tests of running containers look at."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import nats

from cli.client import Client
from eventstore.nats_api import api_prefix
from eventstore.stream_reader import StreamReader
from tests.containers.engine import Deployment
from tests.journeys.steps import MORNING, WINDOW_END, Journey
from tests.support.waiting import eventually, eventually_blocking

__all__ = ["MORNING", "ClientInContainers", "Lived", "has_all"]


class ClientInContainers(Client):
    """Signs tokens with the issuer's key, which the operator's container alone can read."""

    def __init__(self, deployment: Deployment, urls: Mapping[str, str] | None = None) -> None:
        super().__init__(dict(urls or deployment.urls), deployment.issuer_key)


class Lived:
    """A deployment in which the journey was made, and what a subscriber got meanwhile."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.heard: list[dict[str, Any]] = []

    async def live(self) -> None:
        subscriber = await nats.connect(
            self.deployment.nats_url,
            nkeys_seed_str=self.deployment.read("/secrets/nats_auditor.nk"),
            inbox_prefix="_INBOX_auditor",
        )
        try:
            async with StreamReader(subscriber, "orders", api_prefix("chaoyangli")) as orders:
                first = await orders.last() + 1
                async with ClientInContainers(self.deployment) as client:
                    self.journey = Journey(client, self.deployment.cli, self.deployment.direct)
                    await self.journey.make()

                async def rated() -> bool:
                    found = await orders.read(first)
                    self.heard = [json.loads(message.body) for message in found]
                    return bool(found) and self.heard[-1]["type"] == "OrderRated"

                await eventually(rated, 30)
        finally:
            await subscriber.close()

    def orders(self, count: int = 1) -> list[str]:
        """So many orders are placed and cancelled again; the numbers they were given."""

        async def place() -> list[str]:
            async with ClientInContainers(self.deployment) as client:
                return [await self.order(client, day) for day in range(count)]

        with asyncio.Runner() as runner:
            return runner.run(place())

    async def order(self, client: Client, day: int, key: str | None = None) -> str:
        """One order, of which its resident is told, and which they cancel; its number."""
        placed = await self.placed(client, day, key)
        path = f"/v1/inbox/{self.journey.resident.person_id}?limit=200"

        async def told() -> bool:
            notices = (await client.query("notify", path, actor=self.journey.resident))["notices"]
            return placed["order_no"] in {notice["order_no"] for notice in notices}

        await eventually(told, 60, every=0.2, what="the notice of the new order")
        await self.cancelled(client, placed)
        return str(placed["order_no"])

    async def placed(self, client: Client, day: int, key: str | None = None) -> Mapping[str, Any]:
        """What placing an order was answered with."""
        begin = WINDOW_END.replace(day=21 + day % 5)
        window = {"window_start": begin.isoformat(), "window_end": begin.replace(hour=begin.hour + 2).isoformat()}
        body = {"item_code": "haircut", **window}
        return (await client.command("orders", "/v1/orders", body, actor=self.journey.resident, key=key)).body

    async def cancelled(self, client: Client, placed: Mapping[str, Any]) -> None:
        """The resident changed their mind."""
        path, reason = f"/v1/orders/{placed['order_id']}/cancel", {"reason_code": "changed_mind"}
        await client.command("orders", path, reason, actor=self.journey.resident)

    def at_rest(self) -> dict[str, int]:
        """Service → size of its log, once all answer and have heard each other out."""
        found = eventually_blocking(self.positions, 90, every=0.5, what="all services at rest")
        assert found is not None
        return found

    def positions(self) -> dict[str, int] | None:
        """The same; None until then."""
        sizes: dict[str, int] = {}
        heard: list[tuple[str, int]] = []
        for service, url in self.deployment.urls.items():
            try:
                ready = httpx.get(f"{url}/readyz", timeout=10)
            except httpx.TransportError:
                return None
            if ready.status_code != httpx.codes.OK:
                return None
            positions = ready.json()["positions"]
            sizes[service] = positions.pop(service)
            heard += positions.items()
        return sizes if all(sizes[source] == position for source, position in heard) else None


def has_all(now: Mapping[str, int] | None, before: Mapping[str, int]) -> bool:
    """Whether no log is shorter than before; it may have grown by what a service does by itself."""
    return now is not None and all(now[service] >= size for service, size in before.items())
