"""Following orders by their events: from the first on, over the end of a NATS, and no longer than patience lasts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.seed.errors import NotHeard
from cli.seed.watching import Watch
from contracts.envelope import UnreadableEvent, decode, encode
from contracts.ids import uuid7
from contracts.orders import OrderState
from eventstore.streams import ensure_stream
from tests.support.messaging import plain_client
from tests.support.servers import running_nats

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples" / "orders"
SOON = 20.0


@pytest.fixture
def nats_of_its_own():
    with running_nats() as server:
        yield server


class Told:
    """An order's events on the stream, one after the other, as the relay publishes them."""

    def __init__(self, server):
        self._server = server
        self.order_id = uuid7()
        self.position = 0

    async def say(self, name: str) -> None:
        example = decode((EXAMPLES / f"{name}.json").read_bytes().strip())
        event = example.event.model_copy(update={"order_id": self.order_id})
        self.position += 1
        body = encode(
            event.to_json(),
            type=name,
            service="orders",
            version=1,
            community="chaoyangli",
            position=self.position,
            stream=f"order-{self.order_id}",
            streamversion=self.position,
            event_id=uuid7(),
            time=datetime.now(UTC),
        )
        async with plain_client(self._server) as client:
            js = client.jetstream()
            await ensure_stream(js, "chaoyangli", "orders")
            await js.publish(f"chaoyangli.orders.{name}", body)


def watch(server, patience_seconds: float = SOON) -> Watch:
    return Watch({"servers": server.url}, "chaoyangli", patience_seconds)


async def test_an_order_is_what_its_events_tell_from_the_first_on(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with watch(nats_of_its_own) as watching:
        placed = await watching.order(told.order_id, 1)
        assert placed.state is OrderState.PLACED
        await told.say("OrderRefused")
        refused = await watching.comes_to(told.order_id, "REFUSED", "CANCELLED")
        assert (refused.state, watching.position) == (OrderState.REFUSED, 2)


async def test_what_is_said_after_nats_was_killed_is_heard_once_it_is_back(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with watch(nats_of_its_own, 60.0) as watching:
        await watching.heard(1)
        nats_of_its_own.kill()
        nats_of_its_own.start()
        await told.say("OrderRefused")
        await watching.heard(2)
        assert watching.orders[told.order_id].state is OrderState.REFUSED


async def test_who_waits_longer_than_patience_lasts_is_told_how_far_was_heard(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with watch(nats_of_its_own, 1.0) as watching:
        await watching.heard(1)
        with pytest.raises(NotHeard, match="orders/2 was not heard of within 1 s; heard to 1"):
            await watching.heard(2)


async def test_an_event_that_cannot_be_read_is_told_to_whoever_waits(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with plain_client(nats_of_its_own) as client, watch(nats_of_its_own) as watching:
        await watching.heard(1)
        await client.jetstream().publish("chaoyangli.orders.OrderRefused", b"not an event")
        with pytest.raises(UnreadableEvent):
            await watching.heard(2)
