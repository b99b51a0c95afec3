"""A consumer whose role ended, as it does when its lock is lost, and began again in the same process."""

import asyncio
import contextlib

from contracts.orders import OfferDeclined
from eventstore.consumer import Consumer, Reactions
from tests.support.house import QUICK
from tests.support.messaging import Stopped, append, connected, note, running
from tests.support.waiting import eventually


async def test_a_consumer_that_is_slow_to_stop_hears_on_when_it_begins_again(house):
    """What is slow loses its cancellation, as tasks do that wait in nats-py under Python 3.11."""
    reached = asyncio.Event()
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined)
    async def slow_at_first(recorded, context):
        if not reached.is_set():
            reached.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await asyncio.Event().wait()
        return [note(recorded.position, recorded.event.wave)]

    await append(house.source, 3)
    await house.relay()
    async with connected(house.server, "volunteers") as connection:
        consumer = Consumer(house.executor, reactions, connection, Stopped(), limits=QUICK)
        async with running(consumer.run()):
            await reached.wait()
        async with running(consumer.run()):
            await eventually(house.caught_up, 20)
            await append(house.source, 3)
            await eventually(house.caught_up, 20)
    await house.everything_once()
