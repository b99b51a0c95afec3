"""Following orders and welfare checks by their events: from the first on, and no longer than patience lasts."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.seed.errors import NotHeard
from cli.seed.watching import Watch
from contracts.envelope import UnreadableEvent, decode, encode
from contracts.ids import uuid7
from contracts.orders import OrderState
from eventstore.nats_api import API
from eventstore.streams import ensure_stream
from tests.support.messaging import plain_client
from tests.support.servers import running_nats

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples" / "orders"
SOON = 60.0


@pytest.fixture
def nats_of_its_own():
    with running_nats() as server:
        yield server


class Told:
    """The events of an order and of its welfare check on the stream, one after the other, as the relay tells them."""

    def __init__(self, server):
        self._server = server
        self.order_id, self.check_id = uuid7(), uuid7()
        self.position = 0

    async def say(self, name: str) -> None:
        example = decode((EXAMPLES / f"{name}.json").read_bytes().strip())
        of_a_check = name.startswith("WelfareCheck")
        ids = {"order_id": self.order_id} | ({"check_id": self.check_id} if of_a_check else {})
        event = example.event.model_copy(update=ids)
        self.position += 1
        body = encode(
            event.to_json(),
            type=name,
            service="orders",
            version=1,
            community="chaoyangli",
            position=self.position,
            stream=f"welfare_check-{self.check_id}" if of_a_check else f"order-{self.order_id}",
            streamversion=self.position,
            event_id=uuid7(),
            time=datetime.now(UTC),
        )
        async with plain_client(self._server) as client:
            js = client.jetstream()
            await ensure_stream(js, "chaoyangli", "orders")
            await js.publish(f"chaoyangli.orders.{name}", body)


def watch(server) -> Watch:
    return Watch({"servers": server.url}, API, SOON)


async def test_an_order_is_what_its_events_tell_from_the_first_on(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with watch(nats_of_its_own) as watching:
        placed = await watching.order(told.order_id, 1)
        assert placed.state is OrderState.PLACED
        await told.say("OrderRefused")
        refused = await watching.comes_to(told.order_id, "REFUSED", "CANCELLED")
        assert (refused.state, watching.position) == (OrderState.REFUSED, 2)


async def test_whoever_waits_for_what_a_service_does_by_itself_goes_on_when_it_is_so(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with watch(nats_of_its_own) as watching:
        await watching.heard(1)
        waiting = asyncio.create_task(watching.turns(told.order_id, "risen", lambda order: order.level > 0))
        await told.say("OrderEscalated")
        assert (await waiting).level > 0


async def test_a_welfare_check_is_followed_to_the_level_that_it_rises_to(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("WelfareCheckRaised")
    async with watch(nats_of_its_own) as watching:
        await watching.heard(1)
        assert (watching.checks[told.check_id].level, watching.orders) == (0, {})
        rising = asyncio.create_task(watching.check_rises(told.check_id, 1))
        await told.say("WelfareCheckEscalated")
        await rising
        assert watching.checks[told.check_id].level >= 1


async def test_a_check_that_does_not_rise_is_told_by_its_id_and_level(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("WelfareCheckRaised")
    async with watch(nats_of_its_own) as watching:
        await watching.heard(1)
        watching._patience = 1.0
        with pytest.raises(NotHeard, match=f"welfare check {told.check_id} at level 1 was not heard of"):
            await watching.check_rises(told.check_id, 1)


async def test_what_is_said_after_nats_was_killed_is_heard_once_it_is_back(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with watch(nats_of_its_own) as watching:
        await watching.heard(1)
        nats_of_its_own.kill()
        nats_of_its_own.start()
        await told.say("OrderRefused")
        await watching.heard(2)
        assert watching.orders[told.order_id].state is OrderState.REFUSED


async def test_who_waits_longer_than_patience_lasts_is_told_how_far_was_heard(nats_of_its_own):
    told = Told(nats_of_its_own)
    await told.say("OrderPlaced")
    async with watch(nats_of_its_own) as watching:
        await watching.heard(1)
        watching._patience = 1.0
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
