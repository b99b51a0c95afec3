"""A deployment in which a story was lived: what the tests of running containers look at."""

import json
from typing import Any

import nats
from nats.js.api import DeliverPolicy

from cli.client import Client
from tests.containers.engine import Deployment
from tests.journeys.steps import MORNING, Journey

__all__ = ["MORNING", "ClientInContainers", "Lived"]


class ClientInContainers(Client):
    """Signs tokens with the issuer's key, which the operator's container alone can read."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment.urls, deployment.issuer_key)


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
            orders = await subscriber.jetstream().subscribe(
                "chaoyangli.orders.>", stream="ORDERS", ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
            )
            async with ClientInContainers(self.deployment) as client:
                self.journey = Journey(client, self.deployment.cli, self.deployment.direct)
                await self.journey.make()
            while not self.heard or self.heard[-1]["type"] != "OrderRated":
                self.heard.append(json.loads((await orders.next_msg(timeout=30)).data))
        finally:
            await subscriber.close()
