"""Somebody from outside who follows all logs through durables of their own, and remembers every position seen."""

import asyncio
import contextlib
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import nats
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import Error as JetStreamError

from cli.place import SERVICES
from eventstore.nats_api import api_prefix
from eventstore.tasks import end
from servicekit.secrets import read_nats_seed
from tests.faults.harness import PAUSE_SECONDS, Scene
from tests.support.waiting import eventually

API = api_prefix("chaoyangli")
"""For the operator, as whom they are connected."""


@dataclass
class Outsider:
    """`durable`: the name of their place in each stream. `seen`: service → position → how often."""

    durable: str = field(default_factory=lambda: f"outsider-{secrets.token_hex(3)}")
    seen: dict[str, Counter[int]] = field(default_factory=lambda: {service: Counter() for service in SERVICES})

    async def follow(self, client: Any, service: str) -> None:
        """Fetch and acknowledge for ever, whatever happens to the server."""
        js = client.jetstream(prefix=API, timeout=2)
        while True:
            try:
                subscription = await js.pull_subscribe_bind(self.durable, stream=service.upper())
                while True:
                    for message in await subscription.fetch(100, timeout=1):
                        self.seen[service][message.metadata.sequence.stream] += 1
                        await message.ack()
            except (TimeoutError, nats.errors.Error, JetStreamError):
                await asyncio.sleep(random.uniform(*PAUSE_SECONDS))

    def misses(self, sizes: dict[str, int]) -> dict[str, list[int]]:
        """What was not seen so far."""
        missing = {name: sorted(set(range(1, size + 1)) - set(self.seen[name])) for name, size in sizes.items()}
        return {name: positions for name, positions in missing.items() if positions}


def admin_arguments(scene: Scene) -> dict[str, Any]:
    """How the operator connects."""
    return {
        "servers": scene.nats.url,
        "nkeys_seed_str": read_nats_seed(scene.stack.secrets_dir, "admin"),
        "connect_timeout": 2,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.2,
        "error_cb": _nothing,
    }


async def _nothing(_: Exception) -> None:
    return


@contextlib.asynccontextmanager
async def outsider(scene: Scene) -> AsyncIterator[Outsider]:
    """One who follows through durables made once, which the relays have noted and will keep."""
    somebody = Outsider()
    client = await nats.connect(**admin_arguments(scene))
    js = client.jetstream(prefix=API)
    config = ConsumerConfig(durable_name=somebody.durable, ack_policy=AckPolicy.EXPLICIT)
    for service in SERVICES:
        await js.add_consumer(service.upper(), config)
    await eventually(lambda: _noted(scene, somebody), what="the relays' note of the durables")
    tasks = [asyncio.create_task(somebody.follow(client, service)) for service in SERVICES]
    try:
        yield somebody
    finally:
        await end(tasks)
        await client.close()


async def _noted(scene: Scene, somebody: Outsider) -> bool:
    for service in SERVICES:
        connection = await scene.place.connect(service, "migrator")
        try:
            kept = await connection.fetch(f"SELECT durable FROM {service}.relay_durables")
        finally:
            await connection.close()
        if somebody.durable not in {row["durable"] for row in kept}:
            return False
    return True


async def saw_everything(somebody: Outsider, sizes: dict[str, int]) -> None:
    """Return when every event was seen, some perhaps twice.

    What was under way when a connection broke comes again later, after newer ones: order is kept by who reads by
    position, as examples/subscribe.py does.
    """

    async def complete() -> bool:
        assert not somebody.misses(sizes), {name: found[:20] for name, found in somebody.misses(sizes).items()}
        return True

    await eventually(complete, 60, what=f"all events for {somebody.durable}")
